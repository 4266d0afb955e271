from __future__ import annotations

import runpy
from pathlib import Path

import coverage
import pytest

from tools import coverage_report

SOURCE = """
def sign(number):
    if number > 0:
        return 1
    return -1
"""


def measured(folder: Path, *, numbers: tuple[int, ...]) -> Path:
    """Run a package of one function under coverage and return the data file."""
    package = folder / "signs"
    package.mkdir()
    module = package / "sign.py"
    module.write_text(SOURCE, encoding="utf-8")
    data_file = folder / "data"
    measuring = coverage.Coverage(data_file=str(data_file), branch=True, include=[str(module)], config_file=False)
    with measuring.collect():
        sign = runpy.run_path(str(module))["sign"]
        for number in numbers:
            sign(number)
    measuring.save()
    return data_file


class TestSummarize:
    @pytest.mark.parametrize(
        ("numbers", "statements", "branches"), [((), 1, 0), ((1,), 3, 1), ((1, -1), 4, 2)], ids=["no", "one", "both"]
    )
    def test_counts_statements_and_branches(
        self, tmp_path: Path, numbers: tuple[int, ...], statements: int, branches: int
    ) -> None:
        files = coverage_report.read_files(measured(tmp_path, numbers=numbers))
        [row] = coverage_report.summarize(files, packages=["signs"], root=tmp_path)
        assert (row.statements, row.executed_statements) == (4, statements)
        assert (row.branches, row.executed_branches) == (2, branches)
        assert row.percent == pytest.approx(100 * (statements + branches) / 6)


class TestMain:
    @pytest.mark.parametrize(("executed", "status"), [(84, 1), (85, 0)])
    def test_fails_below_the_minimum(self, executed: int, status: int, capsys: pytest.CaptureFixture[str]) -> None:
        summary = {"num_statements": 80, "covered_lines": 80, "num_branches": 20, "covered_branches": executed - 80}
        files = {"models/ranking.py": {"summary": summary}, "elsewhere.py": {"summary": summary}}
        assert coverage_report.main(["models"], files=files) == status
        output = capsys.readouterr()
        assert f"{executed}.0 %" in output.out
        assert ("models" in output.err) == bool(status)

    def test_configured_packages_are_those_that_are_installed(self) -> None:
        packages = coverage.Coverage().get_option("run:source_pkgs")
        assert isinstance(packages, list)
        found = {path.parent.name for path in coverage_report.ROOT.glob("*/__init__.py")}
        assert set(packages) == found - {"benchmarks", "tools", "tests"}
