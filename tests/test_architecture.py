"""The rules of the architecture that a machine can hold."""

from __future__ import annotations

import re
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("neighborconnect", "transactional_api", "pipelines", "feature_repo", "models", "bentos", "simulator")


def sources() -> list[Path]:
    return [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]


def test_no_part_imports_one_that_it_is_upstream_of() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_only_the_stack_asks_which_profile_is_in_force() -> None:
    asks = re.compile(r"neighborconnect_profile|NEIGHBORCONNECT_PROFILE")
    allowed = {ROOT / "neighborconnect" / "settings.py"}
    found = [
        path
        for path in sources()
        if asks.search(path.read_text(encoding="utf-8"))
        and path not in allowed
        and not path.is_relative_to(ROOT / "neighborconnect" / "stack")
    ]
    assert found == []


def test_dagster_home_holds_no_code_and_the_constraints_no_registry() -> None:
    assert list((ROOT / "dagster_home").rglob("*.py")) == []
    for pins in ("constraints.txt", "constraints-hashes.txt"):
        assert "://" not in (ROOT / pins).read_text(encoding="utf-8")
