"""State files in ``run/``: a record per service, and the desired state that the supervisor reconciles."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import psutil

ServiceState = Literal[
    "waiting", "starting", "ready", "degraded", "unresponsive", "restarting", "failed", "stopping", "stopped"
]
# States of a running service; a degraded one reports that a dependency is not ready.
UP_STATES = ("ready", "degraded")
# Process start times follow the wall clock, which may be adjusted; process ids are not reused this fast.
_CLOCK_TOLERANCE_SECONDS = 10.0
_SUFFIX = ".service.json"


@dataclass(slots=True, kw_only=True)
class ServiceRecord:
    """State of one process, written by the process ``supervisor``.

    ``pid`` and ``create_time`` (Unix seconds) identify the process even after its pid is reused. ``since`` (start of
    the state) and ``probed_at`` (last health probe) are Unix seconds.
    """

    name: str
    title: str
    state: ServiceState
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
        """Return the running process of this record; None if it has ended."""
        if self.pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            if alive and abs(process.create_time() - (self.create_time or 0.0)) < _CLOCK_TOLERANCE_SECONDS:
                return process
        return None


def write_record(folder: Path, record: ServiceRecord) -> None:
    """Replace the record of a service atomically."""
    record.since = record.since or time.time()
    write_json(folder / f"{record.name}{_SUFFIX}", asdict(record))


def read_record(folder: Path, name: str) -> ServiceRecord | None:
    """Read the record of a service; None if there is none."""
    content = read_json(folder / f"{name}{_SUFFIX}")
    try:
        return ServiceRecord(**content) if isinstance(content, dict) else None
    except TypeError:
        # Written by another version; the process is still detectable by its tag.
        return None


def read_records(folder: Path) -> list[ServiceRecord]:
    """Read every record, sorted by name."""
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
    """Read a JSON file; None if it does not exist or is incomplete."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Services that should run, in start order, as requested by the command line.

    Attributes:
        names: names of the services.
        generation: number of the request; a new one also retries services that failed.
        restarts: number of restart requests so far, by service.
    """

    names: tuple[str, ...] = ()
    generation: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)


def desired_state_file(run: Path) -> Path:
    """Return the file of the desired state."""
    return run / "desired.json"


def read_desired_state(run: Path) -> DesiredState:
    """Read the desired state; empty if there is none."""
    content = read_json(desired_state_file(run))
    if not isinstance(content, dict):
        return DesiredState()
    return DesiredState(tuple(content["names"]), content["generation"], content["restarts"])


def update_desired_state(
    run: Path, change: Callable[[tuple[str, ...]], Iterable[str]], *, restart: Iterable[str] = ()
) -> None:
    """Replace the desired service names by ``change(names)``, and request a restart of the services in ``restart``."""
    with (run / "desired.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        desired = read_desired_state(run)
        restarts = {**desired.restarts, **{name: desired.restarts.get(name, 0) + 1 for name in restart}}
        names = tuple(dict.fromkeys(change(desired.names)))
        write_json(
            desired_state_file(run), {"names": names, "generation": desired.generation + 1, "restarts": restarts}
        )


def heartbeat_file(run: Path) -> Path:
    """Return the file whose modification time is the last heartbeat of the supervisor."""
    return run / "supervisor.heartbeat"
