"""Generated files by path."""

from __future__ import annotations

from pathlib import Path

from neighborconnect.slo.objectives import read_catalog
from tools.observability.dashboards import DASHBOARDS, dashboard_file
from tools.observability.rules import rules_file
from tools.reference.repository import ROOT

FOLDER = ROOT / "deploy" / "observability"


def generated_files() -> dict[Path, str]:
    """Return the text of every generated file."""
    rules = {FOLDER / "prometheus" / "rules.yml": rules_file(read_catalog())}
    return rules | {FOLDER / "grafana" / "dashboards" / f"{one.uid}.json": dashboard_file(one) for one in DASHBOARDS}
