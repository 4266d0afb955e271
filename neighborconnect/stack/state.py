"""What is written down about each process, so that whoever comes next can find it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

State = Literal[
    "waiting", "starting", "ready", "degraded", "unresponsive", "restarting", "failed", "stopping", "stopped"
]
# Up, whatever it says of others.
UP = ("ready", "degraded")
# Start times follow the wall clock, which may be set right meanwhile; pids do not come round that fast.
_CLOCK_SECONDS = 10.0
_SUFFIX = ".service.json"


@dataclass(slots=True, kw_only=True)
class Record:
    """One process as last written down by ``supervisor``; ``pid`` and ``create_time`` name it beyond pid reuse.

    Times are Unix seconds: ``since`` of the state, ``probed_at`` of the last health probe.
    """

    name: str
    title: str
    state: State
    url: str = ""
    pid: int | None = None
    create_time: float | None = None
    fingerprint: str = ""
    stop_signal: int = signal.SIGTERM
    supervisor: int = 0
    restarts: int = 0
    detail: str = ""
    note: str = ""
    since: float = 0.0
    probed_at: float = 0.0

    def process(self) -> psutil.Process | None:
        """Return the living process of this record, or None."""
        if self.pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            if alive and abs(process.create_time() - (self.create_time or 0.0)) < _CLOCK_SECONDS:
                return process
        return None


def write_record(folder: Path, record: Record) -> None:
    """Replace the record of a service atomically."""
    record.since = record.since or time.time()
    write_json(folder / f"{record.name}{_SUFFIX}", asdict(record))


def read_record(folder: Path, name: str) -> Record | None:
    """Read a service's record; None when there is none."""
    told = read_json(folder / f"{name}{_SUFFIX}")
    try:
        return Record(**told) if isinstance(told, dict) else None
    except TypeError:
        # Written by another version; the process itself still bears its mark.
        return None


def read_records(folder: Path) -> list[Record]:
    """Read every record, by name."""
    names = sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
    return [record for name in names if (record := read_record(folder, name))]


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file)
    temporary.replace(path)


def read_json(path: Path) -> object:
    """Read a JSON file; None when it is not there or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
