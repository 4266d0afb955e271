"""The supervisor process of one stack: ``python -m local_stack.supervisor``.

It reconciles the running services with the desired state in ``run/desired.json`` and exits when no service is desired.
Services survive its death: they run in their own sessions, write to their own logs, and are adopted by the next
supervisor.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

import psutil

from local_stack.errors import StackError
from local_stack.log_rotation import rotate_all
from local_stack.managed_process import PRIVATE_UMASK
from local_stack.service_catalog import child_environment, services
from local_stack.service_supervisor import ServiceSupervisor
from local_stack.stack import Stack, open_stack
from local_stack.state import DesiredState, heartbeat_file, read_desired_state, write_json

_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 5.0

logger = logging.getLogger(__name__)


class MaintenanceThread(threading.Thread):
    """Writes the heartbeat, by which a suspended or hanging supervisor is detected, and rotates logs."""

    def __init__(self, stack: Stack) -> None:
        """Maintain ``stack``."""
        super().__init__(name="maintenance", daemon=True)
        self._stack = stack

    def run(self) -> None:
        """Write heartbeats and rotate logs until the process ends."""
        while True:
            try:
                heartbeat_file(self._stack.run).touch()
                rotate_all(self._stack.logs)
            except OSError:
                logger.exception("maintenance failed")
            time.sleep(_HEARTBEAT_SECONDS)


class Supervisor:
    """Reconciles the service supervisors with the desired state."""

    def __init__(self, stack: Stack) -> None:
        """Supervise the services of ``stack``."""
        self._stack = stack
        self._supervisors: dict[str, ServiceSupervisor] = {}
        self._stop_requested = threading.Event()
        self._generation = 0
        self._restarts = read_desired_state(stack.run).restarts

    def request_stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Request to stop all services and exit."""
        self._stop_requested.set()

    def run(self) -> None:
        """Reconcile until the desired state is empty."""
        while True:
            desired = DesiredState() if self._stop_requested.is_set() else read_desired_state(self._stack.run)
            if desired.generation != self._generation:
                self._stop_all_except(
                    tuple(name for name, supervisor in self._supervisors.items() if not supervisor.failed.is_set())
                )
                self._generation = desired.generation
            self._stop_all_except(desired.names)
            if not desired.names:
                return
            self._restart(desired)
            self._start(desired.names)
            time.sleep(_POLL_SECONDS)

    def _restart(self, desired: DesiredState) -> None:
        for name in desired.names:
            if name in self._supervisors and desired.restarts.get(name, 0) > self._restarts.get(name, 0):
                self._supervisors[name].request_restart()
        self._restarts = desired.restarts

    def _start(self, requested: tuple[str, ...]) -> None:
        missing = [name for name in requested if name not in self._supervisors]
        if not missing:
            return
        available = services(self._stack)
        for name in missing:
            supervisor = ServiceSupervisor(
                available[name], stack=self._stack, environment=child_environment(self._stack), peers=self._supervisors
            )
            self._supervisors[name] = supervisor
            supervisor.start()

    def _stop_all_except(self, requested: tuple[str, ...]) -> None:
        """Stop all other services, dependents before their dependencies, independent ones concurrently."""
        stopping = [name for name in self._supervisors if name not in requested]
        while stopping:
            dependencies = {
                dependency for name in stopping for dependency in self._supervisors[name].service.depends_on
            }
            independent = [name for name in stopping if name not in dependencies]
            for name in independent:
                self._supervisors[name].request_stop()
            for name in independent:
                self._supervisors.pop(name).join()
                stopping.remove(name)


def _detach(stack: Stack) -> None:
    """Continue in a daemon process; the calling process exits after the daemon's pid is recorded."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    os.setsid()
    write_json(stack.run / "supervisor.json", {"pid": os.getpid(), "create_time": psutil.Process().create_time()})
    os.write(writer, b".")
    os.close(writer)


def main() -> None:
    """Start the supervisor of the home in the background, unless one is already running."""
    os.umask(PRIVATE_UMASK)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stack = open_stack()
    with (stack.run / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _detach(stack)
        supervisor = Supervisor(stack)
        MaintenanceThread(stack).start()
        signal.signal(signal.SIGTERM, supervisor.request_stop)
        signal.signal(signal.SIGINT, supervisor.request_stop)
        try:
            supervisor.run()
        except StackError as error:
            logger.error("%s", error)  # noqa: TRY400 - the message is complete without a traceback
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
