"""The prose check: what it refuses, what it leaves alone, and that it reads every kind of text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import check_prose

BANNED = sorted(check_prose.BANNED)


def messages(findings: list[check_prose.Finding]) -> list[tuple[int, str]]:
    return [(finding.line, finding.message.split('"')[1]) for finding in findings]


class TestMarkdown:
    @pytest.mark.parametrize("word", BANNED)
    def test_banned_words_are_refused_in_prose_tables_and_headings(self, word: str) -> None:
        text = f"The row is {word} here.\n\n| a |\n|---|\n| it is {word} |\n\n# It is {word.title()}\n"
        found = messages(list(check_prose.check_markdown(text, path="a.md")))
        assert found == [(1, word), (5, word), (7, word)]

    def test_code_links_and_related_words_are_left_alone(self) -> None:
        text = (
            "Returns 404 (not found); the founder foretold besides. `kept` ``said`` [x](told/anew.md) "
            "<https://a.example/found>\n\n```sh\nkept said told\n```\n"
        )
        assert list(check_prose.check_markdown(text, path="a.md")) == []

    @pytest.mark.parametrize("opening", ["Who", "What", "Whoever", "Whatever", "Whose", "Of who"])
    def test_a_sentence_does_not_open_with_a_relative_clause(self, opening: str) -> None:
        text = f"First line.\n\n- Fine here. {opening} has a session\n  reads it.\n"
        assert messages(list(check_prose.check_markdown(text, path="a.md"))) == [(3, opening)]

    def test_questions_headings_and_table_heads_may_open_so(self) -> None:
        text = "# What to see\n\n| What it does |\n|---|\n| Who may call |\n\nWhat is a connector? A group.\n"
        assert list(check_prose.check_markdown(text, path="a.md")) == []

    def test_a_phrase_across_a_line_break_is_one_phrase(self) -> None:
        text = "Rows may be\nthere twice.\n"
        assert messages(list(check_prose.check_markdown(text, path="a.md"))) == [(1, "be there")]


class TestPython:
    def test_docstrings_attribute_docstrings_and_comments_are_read(self) -> None:
        source = (
            '"""What the module holds."""\n\nX = 1\n"""Rows that were kept."""\n\n\n'
            'def f() -> str:\n    """Return it.\n\n    Whoever calls it waits.\n    """\n'
            '    # It is done anew\n    return "kept, told and said"  # the caller looks twice\n'
        )
        found = messages(sorted(check_prose.check_python(source, path="a.py"), key=lambda finding: finding.line))
        assert found == [(1, "What"), (4, "kept"), (10, "Whoever"), (12, "anew"), (13, "looks")]

    def test_a_comment_of_several_lines_is_one_text(self) -> None:
        source = "# The table is read for\n# who is logged in.\nx = 1\n"
        assert messages(list(check_prose.check_python(source, path="a.py"))) == [(1, "for who")]

    def test_directives_are_not_prose(self) -> None:
        assert (
            list(check_prose.check_python("x = 1  # noqa: S101 (kept)\ny = 2  # type: ignore[told]\n", path="a.py"))
            == []
        )


class TestSubjects:
    @pytest.mark.parametrize(
        ("subject", "faults"),
        [
            ("events: rename places_taken to capacity", 0),
            ("transactional_api/cdc, ingest: publish deletes", 0),
            ("Rename places_taken", 1),
            ("events: " + "x" * 65, 1),
            ("events: " + "x" * 64, 0),
            ("events: places are kept", 1),
            ("events: Who is told", 2),
        ],
    )
    def test_length_scope_and_words_are_checked(self, subject: str, faults: int) -> None:
        assert len(check_prose.check_subject(subject)) == faults


class TestMain:
    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        def git(*arguments: str) -> None:
            subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

        monkeypatch.setattr(check_prose, "ROOT", tmp_path)
        monkeypatch.setattr(check_prose.check_file, "__kwdefaults__", {"root": tmp_path})
        for folder in ("clean", "dirty"):
            (tmp_path / folder).mkdir()
        (tmp_path / "clean" / "a.md").write_text("Rows are stored.\n", encoding="utf-8")
        (tmp_path / "dirty" / "b.py").write_text('"""Rows that are kept."""\n', encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text('[tool.prose]\npending = ["dirty"]\n', encoding="utf-8")
        git("init", "-q", "-b", "main")
        git("config", "user.email", "a@example.org")
        git("config", "user.name", "A")
        git("add", ".")
        git("commit", "-q", "-m", "all: add files")
        git("checkout", "-q", "-b", "work")
        return tmp_path

    def test_pending_paths_count_only_without_the_option(self, repository: Path) -> None:
        assert repository.exists()
        assert check_prose.main([]) == 1
        assert check_prose.main(["--skip-pending"]) == 0

    def test_a_clean_path_must_leave_the_list(self, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (repository / "dirty" / "b.py").write_text('"""Rows that are stored."""\n', encoding="utf-8")
        assert check_prose.main(["--skip-pending"]) == 1
        assert "dirty is clean" in capsys.readouterr().out

    def test_subjects_of_the_branch_are_checked(self, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
        subprocess.run(
            ["git", "commit", "-q", "--allow-empty", "-m", "No scope"], cwd=repository, check=True, capture_output=True
        )
        assert check_prose.main(["--skip-pending"]) == 1
        assert "commit 'No scope': has no scope" in capsys.readouterr().out
