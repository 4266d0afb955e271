"""The dbt project: its path, the environment of its profile and its manifest.

``python -m pipelines.warehouse.dbt build`` runs dbt with the environment that Dagster sets.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from neighborconnect.contracts.personal_columns import personal_columns, personal_names
from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings, get_settings, home

PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_project"
EXECUTABLE = Path(sys.executable).with_name("dbt")


class DbtError(RuntimeError):
    """dbt failed; the message ends with its output."""


def target_dir() -> Path:
    """Return dbt's target folder, in the data folder, so that two stacks can share one checkout."""
    return home() / "dbt" / "target"


def environment(settings: Settings) -> dict[str, str]:
    """Create dbt's folder for its owner only; return the variables that dbt reads, from ``WAREHOUSE_URL``.

    dbt writes its files with the umask of who starts it, which lets other users read them.
    """
    target_dir().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return environment_of(settings.warehouse_url, target=target_dir())


def environment_of(warehouse_url: str, *, target: Path) -> dict[str, str]:
    """Return the variables that ``profiles.yml`` and dbt read, with the files that dbt writes in ``target``."""
    url = urlsplit(warehouse_url)
    return {
        "DBT_HOST": url.hostname or "127.0.0.1",
        "DBT_PORT": str(url.port or 5432),
        "DBT_USER": unquote(url.username or ""),
        "DBT_ENV_SECRET_PASSWORD": unquote(url.password or ""),
        "DBT_DBNAME": url.path.lstrip("/"),
        "DBT_PERSONAL_COLUMNS": json.dumps(_personal_columns()),
        "DBT_PROFILES_DIR": str(PROJECT_DIR),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def _personal_columns() -> dict[str, list[str]]:
    """Return the personal columns by staging model; ``*`` has those of the other models."""
    by_model = {f"stg_{stream.table}": sorted(personal_columns(stream)) for stream in STREAMS}
    return {**by_model, "*": sorted(personal_names())}


def command(arguments: Sequence[str]) -> list[str]:
    """Return a command line of the dbt in this Python's environment."""
    return [str(EXECUTABLE), *arguments, "--project-dir", str(PROJECT_DIR)]


def run(settings: Settings, *, arguments: Sequence[str]) -> str:
    """Run dbt and return its output.

    Raises:
        DbtError: if dbt exits with a code other than zero.
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
    """Return the path of the manifest, parsed again if the project is newer. Safe to call from concurrent processes."""
    manifest = target_dir() / "manifest.json"
    manifest.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (manifest.parent.parent / "manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.exists() or manifest.stat().st_mtime < _newest_source():
            run(settings, arguments=["parse"])
    return manifest


def _newest_source() -> float:
    sources = (path for path in PROJECT_DIR.rglob("*") if path.suffix in {".sql", ".yml"})
    return max(path.stat().st_mtime for path in sources)


def main() -> None:
    """Run dbt with the arguments of the command line and the environment of the profile."""
    done = subprocess.run(command(sys.argv[1:]), env={**os.environ, **environment(get_settings())}, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
