"""How a process without an HTTP port says that it is alive and how far behind it is.

A worker writes ``run/<name>.health.json`` in the platform's home about once a second and replaces it
atomically, so that a reader never sees half a file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from neighborconnect.settings import home

STALE_AFTER_SECONDS = 15.0


class WorkerHealth(BaseModel):
    """One worker's last report: Unix time in seconds, its process id, its backlog in events, and named counters."""

    updated_at: float
    pid: int
    ready: bool
    backlog: int | None = None
    handled: int = 0
    detail: str = ""
    counters: dict[str, int] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether the worker spoke lately enough to be believed."""
        return time.time() - self.updated_at < STALE_AFTER_SECONDS


def health_path(name: str) -> Path:
    """Return the file that worker ``name`` writes."""
    return home() / "run" / f"{name}.health.json"


def report_health(
    name: str,
    *,
    ready: bool,
    backlog: int | None = None,
    handled: int = 0,
    detail: str = "",
    counters: Mapping[str, int] | None = None,
) -> None:
    """Write the health file of worker ``name``."""
    path = health_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    health = WorkerHealth(
        updated_at=time.time(),
        pid=os.getpid(),
        ready=ready,
        backlog=backlog,
        handled=handled,
        detail=detail,
        counters=dict(counters or {}),
    )
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(health.model_dump_json(), encoding="utf-8")
    temporary.replace(path)


def read_health(name: str) -> WorkerHealth | None:
    """Read the health file of worker ``name``; None when there is none or it cannot be read."""
    try:
        return WorkerHealth.model_validate(json.loads(health_path(name).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
