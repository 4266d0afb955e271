"""What the supervisor has to know about a process to run it."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A long-running process.

    Attributes:
        name: short name, on log files and in tables.
        title: what a person calls it.
        url: where it answers, without credentials; empty for a worker.
        command: arguments, the program first.
        environment: variables on top of the supervisor's own.
        ports: every TCP port on loopback that it opens.
        after: names of services that must be ready first.
        prepare: makes what must exist before the start; runs before each start and changes nothing when done already.
        check: raises ``NotReadyError`` until the service does real work.
        complete: makes what must exist once it is ready (databases, buckets, topics); also idempotent.
        working_folder: where it runs; None for the supervisor's own.
        user: the operating system's user to run as, where that is not the supervisor's own.
        yields: whether it steps back, where processors are short, for what people wait for.
        yielding_children: how the command lines begin of those of its processes that step back, where it does not.
        start_seconds: how long a start may take.
        hung_seconds: how long it may give no answer to health probes before it is restarted.
        stop_signal: what asks it to stop; SIGKILL follows after ``stop_seconds``.
        note: what a person must know about how it runs here.
    """

    name: str
    title: str
    command: tuple[str, ...]
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = _nothing
    check: Callable[[], None] = _nothing
    complete: Callable[[], None] = _nothing
    working_folder: Path | None = None
    user: str | None = None
    yields: bool = False
    yielding_children: str = ""
    start_seconds: float = 60.0
    hung_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    note: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes when a running process would have to be started anew to match."""
        identity = json.dumps([self.command, sorted(self.environment.items()), self.user, self.ports])
        return hashlib.sha256(identity.encode()).hexdigest()[:16]
