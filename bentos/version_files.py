"""The files of a champion, kept in a folder: workers open them there, each for itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.registry import Champion, fetch_artifact
from neighborconnect.settings import Settings, home


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """Where the files of a version are, and its name."""

    folder: Path
    model_version: str


def keep_files(settings: Settings, champion: Champion, *, service: str, names: Iterable[str]) -> VersionFiles:
    """Fetch a version's files into a folder of the service; files of other versions but the last go.

    Raises:
        RegistryError: when MLflow does not answer, or the version lacks one of them.
    """
    shelf = home() / "run" / "models" / service
    folder = shelf / champion.model_version
    if not folder.exists():
        partial = shelf / f"{champion.model_version}.part"
        partial.mkdir(parents=True, exist_ok=True)
        for name in names:
            (partial / name).write_bytes(fetch_artifact(settings, champion.run_id, f"model/{name}"))
        partial.rename(folder)
    kept = sorted(shelf.iterdir(), key=lambda path: path.stat().st_mtime)[-2:]
    for old in shelf.iterdir():
        # A worker may still read the version before.
        if old != folder and old not in kept:
            shutil.rmtree(old, ignore_errors=True)
    return VersionFiles(folder, champion.model_version)
