"""Prefetching iterator: runs one stage of a pipeline in its own thread, ahead of the next. FFmpeg releases the GIL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from typing import TypeVar

_PUT_TIMEOUT_SECONDS = 0.2

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], *, buffer: int) -> Iterator[Item]:
    """Yield the items, of which at most ``buffer`` are waiting; exceptions of the iterator are raised here.

    When the consumer stops early, the thread has ended before this generator has: its source may then be closed.
    """
    queue: Queue[tuple[Item] | BaseException | None] = Queue(buffer)
    is_abandoned = threading.Event()

    def put(entry: tuple[Item] | BaseException | None) -> None:
        while not is_abandoned.is_set():
            with suppress(Full):
                queue.put(entry, timeout=_PUT_TIMEOUT_SECONDS)
                return

    def produce() -> None:
        try:
            for item in items:
                put((item,))
                if is_abandoned.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 (raised in the consumer)
            put(error)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while (entry := queue.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        is_abandoned.set()
        thread.join()
