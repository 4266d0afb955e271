"""Print the branch coverage of each top-level package: ``python -m tools.coverage_report``, part of ``make coverage``.

Reads the combined data of coverage.py, whose options are in ``pyproject.toml``. The share of a package is the executed
statements and branches, divided by all of them; modules that nothing imports count. Exits with 1 if a package is below
the minimum.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import coverage
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MINIMUM_PERCENT = 85.0


@dataclass(frozen=True, slots=True)
class PackageCoverage:
    """Executed and existing statements and branches of a package.

    Attributes:
        name: of the top-level package.
        statements: that exist.
        executed_statements: by any process.
        branches: that exist.
        executed_branches: by any process.
    """

    name: str
    statements: int
    executed_statements: int
    branches: int
    executed_branches: int

    @property
    def percent(self) -> float:
        """Executed share of statements and branches together, in percent; 0 if nothing was measured."""
        total = self.statements + self.branches
        return 100.0 * (self.executed_statements + self.executed_branches) / total if total else 0.0


def read_files(data_file: Path | None = None) -> Mapping[str, Any]:
    """Return coverage.py's summary of each measured file, by path; ``data_file`` replaces the configured one."""
    measured = coverage.Coverage() if data_file is None else coverage.Coverage(data_file=str(data_file))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report))
        files: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
    return files


def summarize(files: Mapping[str, Any], *, packages: Iterable[str], root: Path = ROOT) -> list[PackageCoverage]:
    """Return the coverage of each package below ``root``, in the given order."""
    totals = {name: [0, 0, 0, 0] for name in packages}
    for path, file in files.items():
        absolute = Path(path) if Path(path).is_absolute() else root / path
        package = absolute.relative_to(root).parts[0] if absolute.is_relative_to(root) else ""
        if package in totals:
            keys = ("num_statements", "covered_lines", "num_branches", "covered_branches")
            totals[package] = [
                total + int(file["summary"].get(key, 0)) for total, key in zip(totals[package], keys, strict=True)
            ]
    return [PackageCoverage(name, *counts) for name, counts in totals.items()]


def show(rows: Sequence[PackageCoverage], *, minimum: float, console: Console) -> None:
    """Print the packages as a table."""
    table = Table(title="Branch coverage by package", title_justify="left")
    for heading in ("package", "statements", "executed", "branches", "executed", "coverage"):
        table.add_column(heading, justify="left" if heading == "package" else "right")
    for row in rows:
        style = "red" if row.percent < minimum else "green"
        counts = (row.statements, row.executed_statements, row.branches, row.executed_branches)
        table.add_row(row.name, *(f"{count:,}" for count in counts), f"[{style}]{row.percent:.1f} %[/]")
    console.print(table)


def main(arguments: Sequence[str] | None = None, *, files: Mapping[str, Any] | None = None) -> int:
    """Print the table and return the exit status; ``files`` replaces the data on disk."""
    parser = argparse.ArgumentParser(prog="python -m tools.coverage_report", description=__doc__)
    parser.add_argument("packages", nargs="*", help="top-level packages; the configured ones if none is named")
    parser.add_argument(
        "--minimum", type=float, default=MINIMUM_PERCENT, help="percent that each package needs (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    packages = options.packages or cast("list[str]", coverage.Coverage().get_option("run:source_pkgs"))
    try:
        rows = summarize(read_files() if files is None else files, packages=packages)
    except coverage.exceptions.NoDataError:
        sys.stderr.write("There is no coverage data; run `make coverage`.\n")
        return 1
    show(rows, minimum=options.minimum, console=Console())
    below = [row.name for row in rows if row.percent < options.minimum]
    if below:
        sys.stderr.write(f"Below {options.minimum:g} %: {', '.join(below)}.\n")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
