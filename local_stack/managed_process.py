"""One running process: spawned by this supervisor, or adopted from an earlier one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from local_stack.os_users import popen_user_options
from local_stack.service import Service

# Environment variable of every process of a stack, so that a process without a record is detectable.
ENV_TAG = "NEIGHBORCONNECT_SERVICE"
_NICENESS = 10
# Other local users can neither read the files of the stack nor connect to its Unix sockets.
PRIVATE_UMASK = 0o077


class ManagedProcess:
    """A process that this stack monitors and stops."""

    def __init__(self, process: psutil.Process, popen: subprocess.Popen[bytes] | None = None) -> None:
        """Manage ``process``; pass ``popen`` if this interpreter is its parent and must reap it."""
        self._process = process
        self._popen = popen
        self.pid = process.pid
        self.create_time = process.create_time()
        self._reniced: set[psutil.Process] = set()

    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        if self._popen is not None:
            return self._popen.poll() is None
        with contextlib.suppress(psutil.Error):
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        return False

    @property
    def exit_description(self) -> str:
        """Description of how the process ended, such as ``exited with code 1``."""
        code = self._popen.returncode if self._popen else None
        if code is None:
            return "exited"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    def renice_children(self, command_prefix: str) -> None:
        """Lower the priority of new child processes whose command line starts with ``command_prefix``."""
        with contextlib.suppress(psutil.Error):
            children = set(self._process.children())
            self._reniced &= children
            for process in children - self._reniced:
                with contextlib.suppress(psutil.Error):
                    if " ".join(process.cmdline()).startswith(command_prefix):
                        _renice(process)
                        self._reniced.add(process)

    def stop(self, *, stop_signal: signal.Signals, seconds: float) -> None:
        """Send ``stop_signal``, wait up to ``seconds``, then kill the process and the rest of its session."""
        with contextlib.suppress(psutil.Error):
            self._process.send_signal(stop_signal)
            # A suspended process handles no other signal before it continues.
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


def spawn(service: Service, *, home: Path, environment: dict[str, str]) -> ManagedProcess:
    """Start a service in a new session, with its output appended to ``logs/<name>.log``."""
    log = home / "logs" / f"{service.name}.log"
    with log.open("ab") as output:
        popen = subprocess.Popen(
            service.command,
            env=environment | dict(service.environment) | {ENV_TAG: f"{home}:{service.name}"},
            cwd=service.working_folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=PRIVATE_UMASK,
            **popen_user_options(service.user),
        )
    process = psutil.Process(popen.pid)
    if service.low_priority:
        _renice(process)
    return ManagedProcess(process, popen)


def _renice(process: psutil.Process) -> None:
    # The process may have exited already, or the whole stack may run at a higher niceness.
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.nice(_NICENESS)
    # With autogroups, Linux schedules by session: the niceness of a process counts only within its session.
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(_NICENESS))


def find_tagged_processes(home: Path) -> dict[str, ManagedProcess]:
    """Return the running session leaders with this home's tag, by service name."""
    tagged = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            folder, _, name = process.environ().get(ENV_TAG, "").rpartition(":")
            if folder == str(home) and os.getsid(process.pid) == process.pid:
                tagged[name] = ManagedProcess(process)
    return tagged


def log_tail(home: Path, name: str, *, lines: int = 12) -> str:
    """Return the last lines of a log; empty if it cannot be read."""
    try:
        with (home / "logs" / f"{name}.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
