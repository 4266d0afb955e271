"""The repository that the pages are generated from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "neighborconnect",
    "local_stack",
    "transactional_api",
    "pipelines",
    "feature_repo",
    "models",
    "bentos",
    "simulator",
)
