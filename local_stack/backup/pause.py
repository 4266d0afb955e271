"""Pause of the broker and its clients during a backup; a watcher ends it even if the backup is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from local_stack.errors import StackError
from local_stack.stack import Stack, read_stack
from local_stack.supervisor_client import request_services, stop, wait_until_up, with_dependents

BROKER = "kafka"
_DONE = b"done\n"


@contextmanager
def paused(stack: Stack, *, before_broker: Callable[[], None]) -> Iterator[None]:
    """Stop the services that use the broker, call ``before_broker``, stop the broker, and start all of them at the end.

    A separate process waits for the end of this one: if it is killed, the watcher starts the services.

    Raises:
        StackError: a service does not become ready again.
    """
    names = with_dependents(stack, (BROKER,))
    command = [sys.executable, "-m", "local_stack.backup.pause", str(stack.home), *names]
    with (stack.logs / "backup.log").open("ab") as log:
        watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    pipe = cast("IO[bytes]", watcher.stdin)
    try:
        stop(stack, tuple(name for name in names if name != BROKER))
        before_broker()
        stop(stack, (BROKER,))
        yield
    finally:
        request_services(stack, names)
        pipe.write(_DONE)
        pipe.close()
        watcher.wait()
    wait_until_up(stack, names)


def watch(home: Path, names: tuple[str, ...], pipe: IO[bytes]) -> None:
    """Wait for the end of the backup; start the services if it did not do so itself."""
    if pipe.read() == _DONE:
        return
    try:
        request_services(read_stack(home), names)
    except StackError as error:
        print(f"cannot start {', '.join(names)} after an interrupted backup: {error}")  # noqa: T201 - its log
        raise SystemExit(1) from None


if __name__ == "__main__":
    watch(Path(sys.argv[1]), tuple(sys.argv[2:]), sys.stdin.buffer)
