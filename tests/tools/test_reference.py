"""The generated reference: every entry is described, and the generator notices one that is not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools.reference import build, commands, errors, metrics, page, settings


class TestBuildPages:
    def test_every_entry_has_a_description_and_every_error_a_remedy(self) -> None:
        problems = [problem for one in build.build_pages() for problem in one.problems]
        assert problems == []

    def test_check_writes_nothing(self, tmp_path: Path) -> None:
        assert build.main(["--check", "--output", str(tmp_path / "pages")]) == 0
        assert not (tmp_path / "pages").exists()

    def test_pages_have_the_announced_names(self, tmp_path: Path) -> None:
        build.main(["--output", str(tmp_path)])
        assert {path.stem for path in tmp_path.glob("*.md")} == set(build.NAMES)


class TestSettingsPage:
    def test_lists_every_setting_with_its_default(self) -> None:
        text = settings.settings_page().markdown()
        assert "| `DATABASE_URL` | `str` | **required** |" in text
        assert "| `MEDIA_QUOTA_MIB` | `int` | `1024` |" in text

    def test_a_field_without_docstring_is_empty(self) -> None:
        source = 'class Settings:\n    a: int = 1\n    """One."""\n    b: str\n    c: str = ""\n    """Three."""\n'
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.ClassDef)
        assert list(settings.attribute_docstrings(tree)) == [
            ("a", "int", "One."),
            ("b", "str", ""),
            ("c", "str", "Three."),
        ]


class TestErrorsPage:
    def test_names_codes_without_remedy_and_remedies_without_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        remedies = errors.read_remedies()
        del remedies["not_found"]
        monkeypatch.setattr(errors, "read_remedies", lambda: remedies | {"no_such_code": "None."})
        problems = errors.errors_page().problems
        assert "error not_found has no remedy in tools/remedies.toml" in problems
        assert "tools/remedies.toml names no_such_code, which no error has" in problems


class TestMetricsPage:
    def test_reads_calls_of_imported_metric_types_only(self) -> None:
        source = (
            "from collections import Counter as Bag\nfrom prometheus_client import Counter, Gauge\n"
            'A = Counter("texts", "Texts.", ["task"])\nB = Gauge("up", "Whether it is up.")\nC = Bag("abc")\n'
        )
        declared = [(m.name, m.kind, m.labels) for m in metrics._metrics_of(ast.parse(source), module="x.py")]
        assert declared == [("texts", "Counter", ("task",)), ("up", "Gauge", ())]


class TestCliPage:
    def test_lists_commands_of_all_parts_and_runnable_modules(self) -> None:
        text = commands.cli_page().markdown()
        for command in ("neighborconnect status", "neighborconnect dlq replay", "neighborconnect rebuild"):
            assert f"## {command}\n" in text
        assert "| `python -m tools.reference` |" in text


class TestTable:
    def test_cells_stay_on_one_line(self) -> None:
        assert page.table(("A",), [("one | two\nthree",)]) == "| A |\n|---|\n| one \\| two three |"
