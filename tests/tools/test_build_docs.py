"""The documentation site: what pages name exists, and nothing comes from another host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import build_docs

TARGETS, COMMANDS = frozenset({"up", "lint"}), frozenset({"status", "dlq list", "dlq replay"})


class TestStaleNames:
    def test_the_documentation_names_only_what_exists(self) -> None:
        assert build_docs.stale_names() == []

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("`tools/no_such.py`", ["path tools/no_such.py"]),
            ("`tools/sql.py`, `models/<family>`, `tools/*.py`, `a/b`, `application/json`", []),
            ("`neighborconnect frobnicate`", ["command neighborconnect frobnicate"]),
            ("`neighborconnect dlq drop`", ["command neighborconnect dlq drop"]),
            ("`neighborconnect dlq list --json`, `neighborconnect status`, `neighborconnect dlq`", []),
            ("`python -m tools.nothing`", ["module tools.nothing"]),
            ("`python -m tools.sql`, `python -m http.server`", []),
            ("`make dinner`", ["target make dinner"]),
            ("```sh\nmake up\nneighborconnect down x\n```", ["command neighborconnect down x"]),
            ("make dinner, tools/no_such.py", []),
        ],
    )
    def test_missing_names_are_listed(self, text: str, missing: list[str]) -> None:
        assert list(build_docs.missing_names(text, targets=TARGETS, commands=COMMANDS)) == missing


class TestExternalResources:
    def test_scripts_of_other_hosts_are_listed_and_links_are_not(self, tmp_path: Path) -> None:
        page = tmp_path / "index.html"
        page.write_text(
            '<link rel="canonical" href="https://docs.example.org/"><a href="https://example.org">a</a>'
            '<script src="https://cdn.example.org/x.js"></script><script src="assets/own.js"></script>'
            '<link rel="stylesheet" href="//fonts.example.org/f.css">',
            encoding="utf-8",
        )
        assert build_docs.external_resources(tmp_path) == [
            'index.html: <script src="https://cdn.example.org/x.js">',
            'index.html: <link rel="stylesheet" href="//fonts.example.org/f.css">',
        ]


class TestMain:
    def test_the_site_builds_without_a_warning(self) -> None:
        assert build_docs.main() == 0
        for page in ("index.html", "reference/settings/index.html", "tutorials/first-screen/index.html"):
            assert (build_docs.SITE / page).exists()

    def test_a_broken_link_fails_the_build(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = tmp_path / "docs"
        (source / "adr").mkdir(parents=True)
        (source / "index.md").write_text("# Home\n\n[broken](nowhere.md)\n", encoding="utf-8")
        monkeypatch.setattr(build_docs, "SOURCE", source)
        monkeypatch.setattr(build_docs, "stale_names", list)
        assert build_docs.main() == 1
