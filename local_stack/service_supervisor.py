"""Lifecycle of one service: wait for its dependencies, start, probe, restart and stop it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

from local_stack.errors import NoResponseError, NotReadyError, StackError
from local_stack.health_monitor import HealthMonitor, ProbeLimits
from local_stack.managed_process import ManagedProcess, find_tagged_processes, spawn
from local_stack.preflight import check_ports
from local_stack.service import Service
from local_stack.stack import Stack
from local_stack.state import UP_STATES, ServiceRecord, ServiceState, read_record, write_record

_RESTARTS_IN_WINDOW = 5
_WINDOW_SECONDS = 180.0
_ADOPTION_SECONDS = 10.0
_POLL_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 1.0
_SCAN_SECONDS = 5.0

logger = logging.getLogger(__name__)


class _ExitsTooOftenError(StackError):
    """The service exits again and again, for example while the disk is full."""


class ServiceSupervisor(threading.Thread):
    """Thread that runs one service. ``ready`` and ``failed`` may be read from any thread."""

    def __init__(
        self,
        service: Service,
        *,
        stack: Stack,
        environment: dict[str, str],
        peers: dict[str, ServiceSupervisor],
        limits: ProbeLimits | None = None,
    ) -> None:
        """Supervise ``service``; ``peers`` holds all service supervisors by name, including this one."""
        super().__init__(name=service.name, daemon=True)
        self.service = service
        self.ready = threading.Event()
        self.failed = threading.Event()
        self._stack = stack
        self._environment = environment
        self._peers = peers
        self._stop_requested = threading.Event()
        self._restart_requested = threading.Event()
        self._limits = limits or ProbeLimits()
        self._monitor: HealthMonitor | None = None
        self._has_run = False
        self._state: ServiceState = "waiting"
        self._since = time.time()
        self._child: ManagedProcess | None = None
        self._exits: deque[float] = deque(maxlen=_RESTARTS_IN_WINDOW)
        self._restarts = 0

    def request_stop(self) -> None:
        """Request to stop the service; ``join`` waits until it has stopped."""
        self._stop_requested.set()

    def request_restart(self) -> None:
        """Request to restart the process of the service."""
        self._restart_requested.set()

    @property
    def is_responsive(self) -> bool:
        """True if the service is up and its last health probe got a response."""
        monitor = self._monitor
        return self.ready.is_set() and (monitor is None or monitor.is_responsive)

    def run(self) -> None:
        """Run the service until a stop is requested or it fails for good."""
        try:
            self._adopt()
            while not self._stop_requested.is_set():
                try:
                    if self._child is None and not self._start():
                        continue
                    self._watch_process()
                except _ExitsTooOftenError as error:
                    self._pause_after(error)
        except (StackError, OSError) as error:
            self._fail(str(error))
        except Exception as error:
            logger.exception("supervision of %s failed", self.service.name)
            self._fail(f"{type(error).__name__}: {error}")
        self._stop_requested.wait()
        self._stop()
        if not self.failed.is_set():
            self._write("stopped")

    def _write(self, state: ServiceState, detail: str = "", *, probed_at: float = 0.0) -> None:
        service, child = self.service, self._child
        if not probed_at:
            logger.info("%s: %s %s", service.name, state, detail)
        if state != self._state:
            self._state, self._since = state, time.time()
        write_record(
            self._stack.run,
            ServiceRecord(
                name=service.name,
                title=service.title,
                state=state,
                url=service.url,
                pid=child.pid if child else None,
                create_time=child.create_time if child else None,
                fingerprint=service.fingerprint,
                stop_signal=service.stop_signal,
                supervisor=os.getpid(),
                restarts=self._restarts,
                detail=detail,
                note=service.note,
                since=self._since,
                probed_at=probed_at,
            ),
        )

    def _adopt(self) -> None:
        """Adopt a healthy process of an earlier supervisor; stop one that is unhealthy or outdated."""
        record = read_record(self._stack.run, self.service.name)
        process = record.process() if record else None
        child = ManagedProcess(process) if process else find_tagged_processes(self._stack.home).get(self.service.name)
        if child is None:
            return
        self._child, self._has_run = child, True
        if record is not None and process is not None and record.fingerprint == self.service.fingerprint:
            # Any response is enough, even a late one: a restart would not repair a degraded process.
            was_up = record.state in (*UP_STATES, "unresponsive")
            seconds = self.service.hung_seconds if was_up else self.service.start_seconds
            if self._wait_until_ready(seconds, degraded_after=_ADOPTION_SECONDS if was_up else seconds):
                return
        self._stop()

    def _start(self) -> bool:
        """Start the service and wait until it is ready; False if it must be retried or a stop was requested."""
        self._write("waiting")
        while not all(name in self._peers and self._peers[name].ready.is_set() for name in self.service.depends_on):
            if self._stop_requested.wait(_POLL_SECONDS):
                return False
        self._write("starting")
        try:
            check_ports((self.service,))
        except StackError as error:
            # After an exit, the port may take a moment to be released; before the first start, another process has it.
            if not self._has_run:
                raise
            self._handle_exit(str(error))
            return False
        self.service.prepare()
        self._child = spawn(self.service, home=self._stack.home, environment=self._environment)
        self._has_run = True
        self._restart_requested.clear()
        self._write("starting")
        if self._wait_until_ready(self.service.start_seconds):
            return True
        if self._stop_requested.is_set():
            return False
        self._handle_exit(f"not ready after {self.service.start_seconds:.0f} s" if self._is_alive() else "")
        return False

    def _is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    def _wait_until_ready(self, seconds: float, *, degraded_after: float | None = None) -> bool:
        """Wait until the service is ready or, after ``degraded_after`` seconds, until it responds at all."""
        started, last, pause = time.monotonic(), "", _POLL_SECONDS
        while self._is_alive() and not self._stop_requested.is_set() and time.monotonic() < started + seconds:
            try:
                self.service.check()
                self.service.provision()
            except NotReadyError as error:
                is_response = not isinstance(error, NoResponseError)
                if is_response and degraded_after is not None and time.monotonic() >= started + degraded_after:
                    return self._mark_up("degraded", str(error))
                if str(error) != last:
                    last = str(error)
                    self._write("starting", last)
                self._stop_requested.wait(pause)
                pause = min(pause * 1.3, _MAX_PAUSE_SECONDS)
                continue
            return self._mark_up("ready")
        return False

    def _mark_up(self, state: ServiceState, detail: str = "") -> bool:
        self._monitor = HealthMonitor(self.service.check, hung_seconds=self.service.hung_seconds, limits=self._limits)
        logger.info("%s: %s %s", self.service.name, state, detail)
        self._write(state, detail, probed_at=self._monitor.probed_at)
        self.ready.set()
        return True

    def _watch_process(self) -> None:
        scanned = 0.0
        while not self._stop_requested.wait(_POLL_SECONDS):
            if self._child is None or not self._child.is_alive():
                self._handle_exit("")
                return
            if self._restart_requested.is_set():
                self._stop()
                self._write("restarting", "on request")
                return
            if self._is_hung():
                return
            if self.service.low_priority_child_prefix and time.monotonic() - scanned > _SCAN_SECONDS:
                scanned = time.monotonic()
                self._child.renice_children(self.service.low_priority_child_prefix)

    def _is_hung(self) -> bool:
        """Process the results of health probes; return whether the service hung and was stopped."""
        monitor = self._monitor
        if monitor is None:
            return False
        before = (monitor.state, monitor.detail)
        if monitor.poll():
            if (monitor.state, monitor.detail) != before:
                logger.info("%s: %s %s", self.service.name, monitor.state, monitor.detail)
            self._write(monitor.state, monitor.detail, probed_at=monitor.probed_at)
        if not all(name in self._peers and self._peers[name].is_responsive for name in self.service.depends_on):
            monitor.reset_failures()
        if not monitor.is_hung:
            return False
        self._handle_exit(monitor.restart_reason)
        return True

    def _handle_exit(self, reason: str) -> None:
        """Clean up a process that exited or never became ready, and wait before the next start."""
        self.ready.clear()
        cause = reason or (self._child.exit_description if self._child else "")
        logger.warning("%s: lost: %s", self.service.name, cause)
        self._stop()
        now = time.monotonic()
        self._exits.append(now)
        self._restarts += 1
        if len(self._exits) == _RESTARTS_IN_WINDOW and now - self._exits[0] < _WINDOW_SECONDS:
            raise _ExitsTooOftenError(f"{cause}, {_RESTARTS_IN_WINDOW} times in {_WINDOW_SECONDS:.0f} s")
        self._write("restarting", cause)
        self._stop_requested.wait(min(0.25 * 2 ** len(self._exits), 8.0))

    def _pause_after(self, error: _ExitsTooOftenError) -> None:
        """Report the failure, and start again later: the cause may have gone by itself."""
        seconds = self._limits.failed_retry
        self._fail(f"{error}; next attempt in {seconds:.0f} s")
        if not self._stop_requested.wait(seconds):
            self._exits.clear()
            self.failed.clear()

    def _fail(self, reason: str) -> None:
        self.ready.clear()
        self._stop()
        self.failed.set()
        self._write("failed", reason)

    def _stop(self) -> None:
        self._monitor = None
        if self._child is None:
            return
        self.ready.clear()
        if self._child.is_alive():
            self._write("stopping")
        self._child.stop(stop_signal=self.service.stop_signal, seconds=self.service.stop_seconds)
        self._child = None
