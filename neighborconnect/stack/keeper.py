"""Keeps one service as it should be: waits for what it needs, starts it, proves it, restarts it, stops it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque

from neighborconnect.stack.child import Child, find_marked, spawn
from neighborconnect.stack.errors import NotReadyError, StackError
from neighborconnect.stack.layout import Stack
from neighborconnect.stack.preflight import check_ports
from neighborconnect.stack.service import Service
from neighborconnect.stack.state import Record, State, read_record, write_record

_RESTARTS_IN_WINDOW = 5
_WINDOW_SECONDS = 180.0
_ADOPTION_SECONDS = 10.0
_POLL_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Keeper(threading.Thread):
    """The thread of one service. ``ready`` and ``failed`` may be read from any thread."""

    def __init__(
        self, service: Service, *, stack: Stack, environment: dict[str, str], peers: dict[str, Keeper]
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
        self._child: Child | None = None
        self._deaths: deque[float] = deque(maxlen=_RESTARTS_IN_WINDOW)
        self._restarts = 0

    def ask_to_stop(self) -> None:
        """Stop the service, in the keeper's own time; ``join`` waits for it."""
        self._stop_asked.set()

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

    def _write(self, state: State, detail: str = "") -> None:
        service, child = self.service, self._child
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
            ),
        )
        logger.info("%s: %s %s", service.name, state, detail)

    def _adopt(self) -> None:
        """Take over a healthy process that an earlier supervisor left; stop one that is not healthy or not current."""
        record = read_record(self._stack.run, self.service.name)
        process = record.process() if record else None
        child = Child(process) if process else find_marked(self._stack.home).get(self.service.name)
        if child is None:
            return
        self._child = child
        is_current = record is not None and process is not None and record.fingerprint == self.service.fingerprint
        if is_current and self._becomes_ready(_ADOPTION_SECONDS):
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
            if not self._restarts:
                raise
            self._lose(str(error))
            return False
        self.service.prepare()
        self._child = spawn(self.service, home=self._stack.home, environment=self._environment)
        self._write("starting")
        if self._becomes_ready(self.service.start_seconds):
            return True
        if self._stop_asked.is_set():
            return False
        self._lose(f"not ready after {self.service.start_seconds:.0f} s" if self._is_alive() else "")
        return False

    def _is_alive(self) -> bool:
        return self._child is not None and self._child.is_alive()

    def _becomes_ready(self, seconds: float) -> bool:
        deadline, last, pause = time.monotonic() + seconds, "", _POLL_SECONDS
        while self._is_alive() and not self._stop_asked.is_set() and time.monotonic() < deadline:
            try:
                self.service.check()
                self.service.complete()
            except NotReadyError as error:
                if str(error) != last:
                    last = str(error)
                    self._write("starting", last)
                self._stop_asked.wait(pause)
                pause = min(pause * 1.3, _LONGEST_PAUSE_SECONDS)
                continue
            self._write("ready")
            self.ready.set()
            return True
        return False

    def _watch(self) -> None:
        looked = 0.0
        while not self._stop_asked.wait(_POLL_SECONDS):
            if self._child is None or not self._child.is_alive():
                self._lose("")
                return
            if self.service.yielding_children and time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                self._child.step_back_in_part(self.service.yielding_children)

    def _lose(self, reason: str) -> None:
        """Clear away a process that died or never came up, and wait before the next try."""
        self.ready.clear()
        told = reason or (self._child.exit_told if self._child else "")
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
        if self._child is None:
            return
        self.ready.clear()
        if self._child.is_alive():
            self._write("stopping")
        self._child.stop(asking_with=self.service.stop_signal, seconds=self.service.stop_seconds)
        self._child = None
