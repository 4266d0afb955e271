"""Every page of the reference, written to a folder or checked."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.reference.commands import cli_page
from tools.reference.data_dictionary import data_dictionary_page
from tools.reference.errors import errors_page
from tools.reference.events import events_page
from tools.reference.features import features_page
from tools.reference.metrics import metrics_page
from tools.reference.page import Page
from tools.reference.repository import ROOT
from tools.reference.routes import routes_page
from tools.reference.settings import settings_page

BUILDERS = (
    settings_page,
    routes_page,
    errors_page,
    events_page,
    features_page,
    data_dictionary_page,
    metrics_page,
    cli_page,
)
NAMES = ("settings", "routes", "errors", "events", "features", "data-dictionary", "metrics", "cli")
"""File names of the generated pages."""


def build_pages() -> list[Page]:
    """Return every generated page."""
    return [build() for build in BUILDERS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description="Generate the reference pages.")
    parser.add_argument("--check", action="store_true", help="list what has no description; write nothing")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "docs" / "reference", help="folder to write to")
    options = parser.parse_args(arguments)
    pages = build_pages()
    problems = [problem for page in pages for problem in page.problems]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not options.check:
        options.output.mkdir(parents=True, exist_ok=True)
        for page in pages:
            (options.output / f"{page.name}.md").write_text(page.markdown(), encoding="utf-8")
    return 1 if problems else 0
