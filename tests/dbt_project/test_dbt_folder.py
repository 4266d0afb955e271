"""Other local users cannot read what dbt writes: its compiled queries, logs and results."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from neighborconnect.settings import Settings
from pipelines.warehouse import dbt


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """Set the umask of an ordinary shell, which lets everybody read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_dbt_folder_is_for_its_owner_only(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEIGHBORCONNECT_HOME", str(tmp_path))
    variables = dbt.environment(settings)
    folder = tmp_path / "dbt"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
        assert Path(variables[name]).is_relative_to(folder)
