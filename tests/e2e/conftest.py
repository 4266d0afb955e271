"""A whole platform, brought up the way a newcomer does it, on ports and data of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values

from neighborconnect.settings import ENV_FILE_NAME, Settings
from tests.conftest import folder_for_servers, offset_for_tests, settings_of

ROOT = Path(__file__).resolve().parents[2]
FIRST_OFFSET = 8_000
# Smaller than a newcomer's town, to save time; every model still passes its gate.
TOWN = ("--users", "120", "--days", "21")


def run_module(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``python -m <arguments>`` and return the process with all its output in ``stdout``."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A running platform: its settings, and the environment that commands against it need."""

    settings: Settings
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run ``python -m <arguments>`` against this platform and return what it prints."""
        done = run_module(*arguments, environment=self.environment)
        assert done.returncode == 0, done.stdout[-4_000:]
        return done.stdout


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    with folder_for_servers() as folder:
        yield folder


@pytest.fixture(scope="session")
def platform(server_processes: None, home: Path, folder_exit: ExitStack) -> Iterator[Platform]:
    # The session's own servers left their URLs in the environment; this platform brings its own.
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment = inherited | {
        "NEIGHBORCONNECT_HOME": str(home),
        "NEIGHBORCONNECT_PORT_OFFSET": str(offset_for_tests(start=FIRST_OFFSET)),
    }
    folder_exit.callback(run_module, "neighborconnect", "down", environment=environment)
    up = run_module("neighborconnect", "up", *TOWN, environment=environment)
    try:
        assert up.returncode == 0, up.stdout[-6_000:]
        yield Platform(settings=settings_of(dotenv_values(home / ENV_FILE_NAME)), environment=environment)
    finally:
        folder_exit.close()
