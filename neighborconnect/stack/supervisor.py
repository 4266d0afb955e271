"""The process that owns all others of one stack: ``python -m neighborconnect.stack.supervisor``.

It makes what runs equal to the wish in ``run/wanted.json`` and ends when nothing is wanted any more. Its death
harms nobody: children live in sessions of their own, write to their own logs, and are taken over by the next one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from neighborconnect.stack.catalogue import child_environment, services
from neighborconnect.stack.child import PRIVATE_UMASK
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.keeper import Keeper
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.rotation import rotate_all
from neighborconnect.stack.state import read_json, write_json

_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 5.0

logger = logging.getLogger(__name__)


def wanted_file(run: Path) -> Path:
    """Return the file that says which services shall run."""
    return run / "wanted.json"


def heartbeat_file(run: Path) -> Path:
    """Return the file whose time of change shows when the supervisor last ran."""
    return run / "supervisor.heartbeat"


@dataclass(frozen=True, slots=True)
class Wish:
    """Desired services, in order of start. A new generation tries again what had failed.

    ``restarts`` counts the restarts that somebody asked for, by service.
    """

    names: tuple[str, ...] = ()
    generation: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)


def read_wish(run: Path) -> Wish:
    """Read the wish; the empty one when there is none."""
    wish = read_json(wanted_file(run))
    return (
        Wish(tuple(wish["names"]), wish["generation"], wish.get("restarts", {})) if isinstance(wish, dict) else Wish()
    )


def change_wish(run: Path, change: Callable[[tuple[str, ...]], Iterable[str]], *, restart: Iterable[str] = ()) -> None:
    """Replace the names that shall run by what ``change`` makes of them; ask for a restart of some."""
    with (run / "wanted.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wish = read_wish(run)
        restarts = {**wish.restarts, **{name: wish.restarts.get(name, 0) + 1 for name in restart}}
        names = tuple(dict.fromkeys(change(wish.names)))
        write_json(wanted_file(run), {"names": names, "generation": wish.generation + 1, "restarts": restarts})


class Housekeeping(threading.Thread):
    """The heartbeat that shows a supervisor that is stopped or hangs, and the rotation of logs."""

    def __init__(self, stack: Stack) -> None:
        """Keep house for ``stack``."""
        super().__init__(name="housekeeping", daemon=True)
        self._stack = stack

    def run(self) -> None:
        """Beat and rotate until the process ends."""
        while True:
            try:
                heartbeat_file(self._stack.run).touch()
                rotate_all(self._stack.logs)
            except OSError:
                logger.exception("housekeeping failed")
            time.sleep(_HEARTBEAT_SECONDS)


class Supervisor:
    """Reconciles keepers with the wish."""

    def __init__(self, stack: Stack) -> None:
        """Supervise the services of ``stack``."""
        self._stack = stack
        self._keepers: dict[str, Keeper] = {}
        self._stop_asked = threading.Event()
        self._generation = 0
        self._restarts = read_wish(stack.run).restarts

    def ask_to_stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Stop everything and end."""
        self._stop_asked.set()

    def run(self) -> None:
        """Serve the wish until it is empty."""
        while True:
            wish = Wish() if self._stop_asked.is_set() else read_wish(self._stack.run)
            if wish.generation != self._generation:
                self._stop_all_but(tuple(name for name, keeper in self._keepers.items() if not keeper.failed.is_set()))
                self._generation = wish.generation
            self._stop_all_but(wish.names)
            if not wish.names:
                return
            self._restart(wish)
            self._start(wish.names)
            time.sleep(_POLL_SECONDS)

    def _restart(self, wish: Wish) -> None:
        for name in wish.names:
            if name in self._keepers and wish.restarts.get(name, 0) > self._restarts.get(name, 0):
                self._keepers[name].ask_to_restart()
        self._restarts = wish.restarts

    def _start(self, wanted: tuple[str, ...]) -> None:
        missing = [name for name in wanted if name not in self._keepers]
        if not missing:
            return
        known = services(self._stack)
        for name in missing:
            keeper = Keeper(
                known[name], stack=self._stack, environment=child_environment(self._stack), peers=self._keepers
            )
            self._keepers[name] = keeper
            keeper.start()

    def _stop_all_but(self, wanted: tuple[str, ...]) -> None:
        """Stop the rest, dependents before what they depend on; independent ones at once."""
        going = [name for name in self._keepers if name not in wanted]
        while going:
            needed = {need for name in going for need in self._keepers[name].service.after}
            leaves = [name for name in going if name not in needed]
            for name in leaves:
                self._keepers[name].ask_to_stop()
            for name in leaves:
                self._keepers.pop(name).join()
                going.remove(name)


def _detach(stack: Stack) -> None:
    """Go on in a child that outlives the caller; the caller returns once that child is written down."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(told, 1)
        os._exit(0)
    os.close(told)
    os.setsid()
    write_json(stack.run / "supervisor.json", {"pid": os.getpid(), "create_time": psutil.Process().create_time()})
    os.write(tell, b".")
    os.close(tell)


def main() -> None:
    """Run the supervisor of the home in the environment in the background, unless one runs already."""
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
        Housekeeping(stack).start()
        signal.signal(signal.SIGTERM, supervisor.ask_to_stop)
        signal.signal(signal.SIGINT, supervisor.ask_to_stop)
        try:
            supervisor.run()
        except StackError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence is all there is to say
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
