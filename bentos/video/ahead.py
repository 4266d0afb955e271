"""Work one stage of a pipeline ahead of the next, in a thread of its own: FFmpeg lets other threads go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from typing import TypeVar

_LOOK_SECONDS = 0.2

Item = TypeVar("Item")


def ahead(items: Iterator[Item], *, room: int) -> Iterator[Item]:
    """Yield the items, of which at most ``room`` wait; an exception of theirs is raised here.

    When nobody wants more of them, the thread has ended before this has: what it read from may be closed.
    """
    waiting: Queue[tuple[Item] | BaseException | None] = Queue(room)
    unwanted = threading.Event()

    def put(one: tuple[Item] | BaseException | None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                waiting.put(one, timeout=_LOOK_SECONDS)
                return

    def work() -> None:
        try:
            for item in items:
                put((item,))
                if unwanted.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 (it is raised where the items are wanted)
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (one := waiting.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one[0]
    finally:
        unwanted.set()
        thread.join()
