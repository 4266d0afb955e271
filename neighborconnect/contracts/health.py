"""Health reports of processes without an HTTP port.

A worker replaces ``run/<name>.health.json`` in the platform's home atomically about once a second.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from neighborconnect.settings import home

STALE_AFTER_SECONDS = 15.0
_SUFFIX = ".health.json"
LATENCY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of latencies, in seconds; one more bucket has all that take longer."""


class LatencyReport(BaseModel):
    """Observations by bucket of ``LATENCY_BOUNDS`` and above, not cumulative, and their sum in seconds."""

    counts: list[int]
    sum: float


class LatencyHistogram:
    """Latencies that a worker observed since its start."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, latencies: Iterable[float]) -> None:
        """Add latencies in seconds; negative ones, of clocks that differ, count as 0."""
        for latency in latencies:
            seconds = max(latency, 0.0)
            self._counts[bisect_left(LATENCY_BOUNDS, seconds)] += 1
            self._sum += seconds

    def report(self) -> LatencyReport:
        """Return the observations so far."""
        return LatencyReport(counts=list(self._counts), sum=self._sum)


class WorkerHealth(BaseModel):
    """Last report of a worker: Unix time in seconds, process id, backlog in events, and named counters.

    ``latency`` is the time from the commit of each event to the end of the worker's work on it.
    """

    updated_at: float
    pid: int
    ready: bool
    backlog: int | None = None
    handled: int = 0
    detail: str = ""
    counters: dict[str, int] = {}
    latency: LatencyReport | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether the report is recent enough to be trusted."""
        return time.time() - self.updated_at < STALE_AFTER_SECONDS


def health_path(name: str) -> Path:
    """Return the health file of worker ``name``."""
    return home() / "run" / f"{name}{_SUFFIX}"


def report_health(
    name: str,
    *,
    ready: bool,
    backlog: int | None = None,
    handled: int = 0,
    detail: str = "",
    counters: Mapping[str, int] | None = None,
    latency: LatencyHistogram | None = None,
) -> None:
    """Write the health file of worker ``name``."""
    path = health_path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    health = WorkerHealth(
        updated_at=time.time(),
        pid=os.getpid(),
        ready=ready,
        backlog=backlog,
        handled=handled,
        detail=detail,
        counters=dict(counters or {}),
        latency=latency.report() if latency else None,
    )
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(health.model_dump_json(), encoding="utf-8")
    temporary.replace(path)


def read_health(name: str) -> WorkerHealth | None:
    """Read the health file of worker ``name``; None if there is none or it cannot be read."""
    try:
        return WorkerHealth.model_validate(json.loads(health_path(name).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def reports() -> dict[str, WorkerHealth]:
    """Return the last report of each worker of this home by name; the ones that cannot be read are left out."""
    names = sorted(path.name.removesuffix(_SUFFIX) for path in health_path("").parent.glob(f"*{_SUFFIX}"))
    return {name: report for name in names if (report := read_health(name)) is not None}
