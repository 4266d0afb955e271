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
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from neighborconnect.stack.catalogue import child_environment, services
from neighborconnect.stack.errors import StackError
from neighborconnect.stack.keeper import Keeper
from neighborconnect.stack.layout import Stack, open_stack
from neighborconnect.stack.state import read_json, write_json

_POLL_SECONDS = 0.2

logger = logging.getLogger(__name__)


def wanted_file(run: Path) -> Path:
    """Return the file that says which services shall run."""
    return run / "wanted.json"


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall run, in order of start. A new generation tries again what had failed."""

    names: tuple[str, ...] = ()
    generation: int = 0


def read_wish(run: Path) -> Wish:
    """Read the wish; the empty one when there is none."""
    told = read_json(wanted_file(run))
    return Wish(tuple(told["names"]), told["generation"]) if isinstance(told, dict) else Wish()


def write_wish(run: Path, names: tuple[str, ...]) -> None:
    """Wish for exactly these services."""
    write_json(wanted_file(run), {"names": names, "generation": read_wish(run).generation + 1})


class Supervisor:
    """Reconciles keepers with the wish."""

    def __init__(self, stack: Stack) -> None:
        """Supervise the services of ``stack``."""
        self._stack = stack
        self._keepers: dict[str, Keeper] = {}
        self._stop_asked = threading.Event()
        self._generation = 0

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
            self._start(wish.names)
            time.sleep(_POLL_SECONDS)

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
        """Stop the rest, whoever depends on something before what it depends on; independent ones at once."""
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
        signal.signal(signal.SIGTERM, supervisor.ask_to_stop)
        signal.signal(signal.SIGINT, supervisor.ask_to_stop)
        try:
            supervisor.run()
        except StackError as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence is all there is to say
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
