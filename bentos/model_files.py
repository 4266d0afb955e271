"""Local copies of a champion's files, which every worker process opens for itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.registry import RegisteredVersion, fetch_artifact
from neighborconnect.settings import Settings, home

_RETAINED_VERSIONS = 2


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Directory with the files of one model version."""

    folder: Path
    model_version: str


def download_model_files(
    settings: Settings, version: RegisteredVersion, *, service: str, names: Iterable[str]
) -> ModelFiles:
    """Download the files of a version into a directory of the service; all but the two newest versions are deleted.

    Raises:
        RegistryError: when MLflow does not respond, or the version lacks a file.
    """
    root = home() / "run" / "models" / service
    folder = root / version.model_version
    if not folder.exists():
        partial = root / f"{version.model_version}.part"
        partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            (partial / name).write_bytes(fetch_artifact(settings, version.run_id, f"model/{name}"))
        partial.rename(folder)
    # A worker may still read the previous version.
    retained = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime)[-_RETAINED_VERSIONS:]
    for old in root.iterdir():
        if old != folder and old not in retained:
            shutil.rmtree(old, ignore_errors=True)
    return ModelFiles(folder, version.model_version)
