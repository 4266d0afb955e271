"""Description of a long-running process: command, ports, dependencies, checks and time limits."""

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
        name: short name, used for log files and in tables.
        title: display name.
        url: address without credentials; empty for a worker.
        command: program and arguments.
        environment: variables in addition to those of the supervisor.
        ports: every TCP port on loopback that it opens.
        depends_on: names of services that must be ready first.
        prepare: creates what must exist before a start; runs before each start and is idempotent.
        check: raises ``NotReadyError`` until the service does real work.
        provision: creates what must exist after it is ready (databases, buckets, topics); idempotent.
        working_folder: working folder; None for that of the supervisor.
        user: operating system user to run as; None for that of the supervisor.
        low_priority: whether it runs at a higher niceness than interactive services.
        low_priority_child_prefix: command line prefix of its child processes that run at low priority; empty for none.
        start_seconds: maximum duration of a start.
        hung_seconds: minimum time without a response to health probes before a restart.
        stop_signal: signal that requests a stop; SIGKILL follows after ``stop_seconds``.
        note: notice for the user, shown below the status table.
    """

    name: str
    title: str
    command: tuple[str, ...]
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[int, ...] = ()
    depends_on: tuple[str, ...] = ()
    prepare: Callable[[], None] = _nothing
    check: Callable[[], None] = _nothing
    provision: Callable[[], None] = _nothing
    working_folder: Path | None = None
    user: str | None = None
    low_priority: bool = False
    low_priority_child_prefix: str = ""
    start_seconds: float = 60.0
    hung_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    note: str = ""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that a running process cannot change; a difference requires a restart."""
        popen_user_options = json.dumps([self.command, sorted(self.environment.items()), self.user, self.ports])
        return hashlib.sha256(popen_user_options.encode()).hexdigest()[:16]
