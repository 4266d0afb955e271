"""One service as it should be: wait for what it needs, start it, probe it, restart it, stop it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

from neighborconnect.stack.child import Child, find_marked, spawn
from neighborconnect.stack.errors import NoAnswerError, NotReadyError, StackError
from neighborconnect.stack.health import Limits, Monitor
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.preflight import check_ports
from neighborconnect.stack.service import Service
from neighborconnect.stack.state import UP, Record, State, read_record, write_record

_RESTARTS_IN_WINDOW = 5
_WINDOW_SECONDS = 180.0
_ADOPTION_SECONDS = 10.0
_POLL_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 1.0
_SCAN_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Keeper(threading.Thread):
    """The thread of one service. ``ready`` and ``failed`` may be read from any thread."""

    def __init__(
        self,
        service: Service,
        *,
        stack: Stack,
        environment: dict[str, str],
        peers: dict[str, Keeper],
        limits: Limits | None = None,
    ) -> None:
        """Keep ``service``; ``peers`` are all keepers by name, itself among them once it is added."""
        super().__init__(name=service.name, daemon=True)
        self.service = service
        self.ready = threading.Event()
        self.failed = threading.Event()
        self._stack = stack
        self._environment = environment
        self._peers = peers
        self._stop_asked = threading.Event()
        self._restart_asked = threading.Event()
        self._limits = limits or Limits()
        self._monitor: Monitor | None = None
        self._has_run = False
        self._state: State = "waiting"
        self._since = time.time()
        self._child: Child | None = None
        self._deaths: deque[float] = deque(maxlen=_RESTARTS_IN_WINDOW)
        self._restarts = 0

    def ask_to_stop(self) -> None:
        """Stop the service, in the keeper's own time; ``join`` waits for it."""
        self._stop_asked.set()

    def ask_to_restart(self) -> None:
        """Stop the process of the service and start it again."""
        self._restart_asked.set()

    @property
    def answers(self) -> bool:
        """Whether the service is up and its last health probe got an answer."""
        monitor = self._monitor
        return self.ready.is_set() and (monitor is None or monitor.answers)

    def run(self) -> None:
        """Keep the service until asked to stop or until it cannot be kept."""
        try:
            self._adopt()
            while not self._stop_asked.is_set():
                if self._child is None and not self._start():
                    continue
                self._watch()
        except (StackError, OSError) as error:
            self._give_up(str(error))
        except Exception as error:
            logger.exception("keeper of %s", self.service.name)
            self._give_up(f"{type(error).__name__}: {error}")
        self._stop_asked.wait()
        self._stop()
        if not self.failed.is_set():
            self._write("stopped")

    def _write(self, state: State, detail: str = "", *, probed_at: float = 0.0) -> None:
        service, child = self.service, self._child
        if not probed_at:
            logger.info("%s: %s %s", service.name, state, detail)
        if state != self._state:
            self._state, self._since = state, time.time()
        write_record(
            self._stack.run,
            Record(
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
        """Take over a healthy process that an earlier supervisor left; stop one that is not healthy or not current."""
        record = read_record(self._stack.run, self.service.name)
        process = record.process() if record else None
        child = Child(process) if process else find_marked(self._stack.home).get(self.service.name)
        if child is None:
            return
        self._child, self._has_run = child, True
        if record is not None and process is not None and record.fingerprint == self.service.fingerprint:
            # An answer is enough, late ones included: a restart would not repair a process that is degraded.
            was_up = record.state in (*UP, "unresponsive")
            seconds = self.service.hung_seconds if was_up else self.service.start_seconds
            if self._becomes_ready(seconds, degraded_after=_ADOPTION_SECONDS if was_up else seconds):
                return
        self._stop()

    def _start(self) -> bool:
        """Start the service and wait until it is ready; False when it has to be tried again or was asked to stop."""
        self._write("waiting")
        while not all(name in self._peers and self._peers[name].ready.is_set() for name in self.service.after):
            if self._stop_asked.wait(_POLL_SECONDS):
                return False
        self._write("starting")
        try:
            check_ports((self.service,))
        except StackError as error:
            # After a death the kernel may need a moment to give the port back; before any, somebody else has it.
            if not self._has_run:
                raise
            self._lose(str(error))
            return False
        self.service.prepare()
        self._child = spawn(self.service, home=self._stack.home, environment=self._environment)
        self._has_run = True
        self._restart_asked.clear()
        self._write("starting")
        if self._becomes_ready(self.service.start_seconds):
            return True
        if self._stop_asked.is_set():
            return False
        self._lose(f"not ready after {self.service.start_seconds:.0f} s" if self._is_alive() else "")
        return False

    def _is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    def _becomes_ready(self, seconds: float, *, degraded_after: float | None = None) -> bool:
        """Wait until the service is ready, or until it answers at all once ``degraded_after`` seconds have passed."""
        begun, last, pause = time.monotonic(), "", _POLL_SECONDS
        while self._is_alive() and not self._stop_asked.is_set() and time.monotonic() < begun + seconds:
            try:
                self.service.check()
                self.service.complete()
            except NotReadyError as error:
                is_answer = not isinstance(error, NoAnswerError)
                if is_answer and degraded_after is not None and time.monotonic() >= begun + degraded_after:
                    return self._is_up("degraded", str(error))
                if str(error) != last:
                    last = str(error)
                    self._write("starting", last)
                self._stop_asked.wait(pause)
                pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)
                continue
            return self._is_up("ready")
        return False

    def _is_up(self, state: State, detail: str = "") -> bool:
        self._monitor = Monitor(self.service.check, hung_seconds=self.service.hung_seconds, limits=self._limits)
        logger.info("%s: %s %s", self.service.name, state, detail)
        self._write(state, detail, probed_at=self._monitor.probed_at)
        self.ready.set()
        return True

    def _watch(self) -> None:
        scanned = 0.0
        while not self._stop_asked.wait(_POLL_SECONDS):
            if self._child is None or not self._child.is_alive():
                self._lose("")
                return
            if self._restart_asked.is_set():
                self._stop()
                self._write("restarting", "on request")
                return
            if self._is_hung():
                return
            if self.service.yielding_children and time.monotonic() - scanned > _SCAN_SECONDS:
                scanned = time.monotonic()
                self._child.step_back_in_part(self.service.yielding_children)

    def _is_hung(self) -> bool:
        """Take in what the health probes found; whether the service hung and was stopped."""
        monitor = self._monitor
        if monitor is None:
            return False
        before = (monitor.state, monitor.detail)
        if monitor.poll():
            if (monitor.state, monitor.detail) != before:
                logger.info("%s: %s %s", self.service.name, monitor.state, monitor.detail)
            self._write(monitor.state, monitor.detail, probed_at=monitor.probed_at)
        if not all(name in self._peers and self._peers[name].answers for name in self.service.after):
            monitor.pardon()
        if not monitor.is_hung:
            return False
        self._lose(monitor.verdict)
        return True

    def _lose(self, reason: str) -> None:
        """Clear away a process that died or never came up, and wait before the next try."""
        self.ready.clear()
        told = reason or (self._child.exit_told if self._child else "")
        logger.warning("%s: stopped or to be stopped: %s", self.service.name, told)
        self._stop()
        now = time.monotonic()
        self._deaths.append(now)
        self._restarts += 1
        if len(self._deaths) == _RESTARTS_IN_WINDOW and now - self._deaths[0] < _WINDOW_SECONDS:
            raise StackError(f"{told}, {_RESTARTS_IN_WINDOW} times in {_WINDOW_SECONDS:.0f} s")
        self._write("restarting", told)
        self._stop_asked.wait(min(0.25 * 2 ** len(self._deaths), 8.0))

    def _give_up(self, reason: str) -> None:
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
        self._child.stop(asking_with=self.service.stop_signal, seconds=self.service.stop_seconds)
        self._child = None
