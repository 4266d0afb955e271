"""One running process: spawned here, or found where a supervisor that is gone left it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from neighborconnect.stack.accounts import identity
from neighborconnect.stack.service import Service

# In the environment of every child, so that one whose record was never written is found all the same.
MARK = "NEIGHBORCONNECT_SERVICE"
_NICENESS = 10
# Other local accounts read nothing that a process of the stack writes, and connect to none of its Unix sockets.
PRIVATE_UMASK = 0o077


class Child:
    """A process that is ours to watch and to stop."""

    def __init__(self, process: psutil.Process, popen: subprocess.Popen[bytes] | None = None) -> None:
        """Watch ``process``; ``popen`` where this interpreter is its parent and must reap it."""
        self._process = process
        self._popen = popen
        self.pid = process.pid
        self.create_time = process.create_time()
        self._stepped_back: set[psutil.Process] = set()

    def is_alive(self) -> bool:
        """Whether it still runs."""
        if self._popen is not None:
            return self._popen.poll() is None
        with contextlib.suppress(psutil.Error):
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        return False

    @property
    def exit_told(self) -> str:
        """How it ended, in words."""
        code = self._popen.returncode if self._popen else None
        if code is None:
            return "ended"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def step_back_in_part(self, command: str) -> None:
        """Have those of its processes step back whose command line begins so and that do not yet."""
        with contextlib.suppress(psutil.Error):
            children = set(self._process.children())
            self._stepped_back &= children
            for process in children - self._stepped_back:
                with contextlib.suppress(psutil.Error):
                    if " ".join(process.cmdline()).startswith(command):
                        _step_back(process)
                        self._stepped_back.add(process)

    def stop(self, *, asking_with: signal.Signals, seconds: float) -> None:
        """Ask it to stop, wait, then kill it and what is left in its session."""
        with contextlib.suppress(psutil.Error):
            self._process.send_signal(asking_with)
            # A process that is stopped takes no signal before it goes on.
            self._process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in (*_session(self.pid), self._process):
            with contextlib.suppress(psutil.Error):
                process.kill()
        while self.is_alive():
            time.sleep(0.02)


def _session(leader: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != leader and os.getsid(process.pid) == leader:
                yield process


def spawn(service: Service, *, home: Path, environment: dict[str, str]) -> Child:
    """Start a service in a session of its own, its output appended to ``logs/<name>.log``."""
    log = home / "logs" / f"{service.name}.log"
    with log.open("ab") as output:
        popen = subprocess.Popen(
            service.command,
            env=environment | dict(service.environment) | {MARK: f"{home}:{service.name}"},
            cwd=service.working_folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=PRIVATE_UMASK,
            **identity(service.user),
        )
    process = psutil.Process(popen.pid)
    if service.yields:
        _step_back(process)
    return Child(process, popen)


def _step_back(process: psutil.Process) -> None:
    # It may have ended at once, and whoever waits for it says why; or all of us step back further already.
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.nice(_NICENESS)
    # Where Linux shares out by session (autogroup), the niceness of a process counts only within its own.
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(_NICENESS))


def find_marked(home: Path) -> dict[str, Child]:
    """Find the running session leaders that bear this home's mark, by service name."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            folder, _, name = process.environ().get(MARK, "").rpartition(":")
            if folder == str(home) and os.getsid(process.pid) == process.pid:
                found[name] = Child(process)
    return found


def log_tail(home: Path, name: str, *, lines: int = 12) -> str:
    """Return the last lines of a service's log."""
    try:
        with (home / "logs" / f"{name}.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
