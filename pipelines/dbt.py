"""The dbt project: where it is, the environment its profile reads, and its manifest.

``python -m pipelines.dbt build`` runs dbt as Dagster does, on the warehouse of the settings.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from neighborconnect.settings import Settings, get_settings, home

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
EXECUTABLE = Path(sys.executable).with_name("dbt")


class DbtError(RuntimeError):
    """dbt failed; the message ends with what it said."""


def target_dir() -> Path:
    """Return where dbt writes; in the data folder, so that two stacks on one checkout do not meet."""
    return home() / "dbt" / "target"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that ``profiles.yml`` and dbt read, from ``WAREHOUSE_URL``."""
    url = urlsplit(settings.warehouse_url)
    return {
        "DBT_HOST": url.hostname or "127.0.0.1",
        "DBT_PORT": str(url.port or 5432),
        "DBT_USER": unquote(url.username or ""),
        "DBT_ENV_SECRET_PASSWORD": unquote(url.password or ""),
        "DBT_DBNAME": url.path.lstrip("/"),
        "DBT_PROFILES_DIR": str(PROJECT_DIR),
        "DBT_TARGET_PATH": str(target_dir()),
        "DBT_LOG_PATH": str(target_dir().parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of the dbt that is installed beside this Python."""
    return [str(EXECUTABLE), *arguments, "--project-dir", str(PROJECT_DIR)]


def run(settings: Settings, *, arguments: Sequence[str]) -> str:
    """Run dbt to its end and return what it printed.

    Raises:
        DbtError: when dbt leaves with anything but zero.
    """
    done = subprocess.run(
        command(arguments),
        env={**os.environ, **environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtError(f"dbt {arguments[0]} failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-40:]))
    return done.stdout


def ensure_manifest(settings: Settings) -> Path:
    """Return the manifest, parsed anew when the project is newer than it. Safe to call from many processes."""
    manifest = target_dir() / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with (manifest.parent.parent / "manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or manifest.stat().st_mtime < _newest_source():
            run(settings, arguments=["parse"])
    return manifest


def _newest_source() -> float:
    sources = (path for path in PROJECT_DIR.rglob("*") if path.suffix in {".sql", ".yml"})
    return max(path.stat().st_mtime for path in sources)


def main() -> None:
    """Hand the command line to dbt, with the profile's environment set."""
    done = subprocess.run(command(sys.argv[1:]), env={**os.environ, **environment(get_settings())}, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
