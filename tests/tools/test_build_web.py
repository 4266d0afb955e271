"""A build of the web app that fails stops `make web`, and only warns in `make up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import build_web


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose packages npm cannot install."""
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "package.json").write_text("{")
    (tmp_path / "transactional_api").mkdir()
    (tmp_path / "transactional_api" / "openapi.json").write_text("{}")
    monkeypatch.setattr(build_web, "ROOT", tmp_path)
    return tmp_path


def test_a_failed_build_is_an_error(
    broken: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["build_web", "--if-stale"])
    assert build_web.main() == 1
    assert "the web app was not built" in capsys.readouterr().err
    assert not build_web.is_current(broken)


def test_an_optional_build_that_fails_warns_and_names_its_log(
    broken: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["build_web", "--if-stale", "--optional"])
    assert build_web.main() == 0
    assert "the platform starts without it" in capsys.readouterr().err
    assert "package.json" in (broken / "build" / "web.log").read_text(encoding="utf-8")
