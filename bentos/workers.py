"""Processes that look at files which strangers sent: with a limit on memory and time, and no loss when one dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from bentoml.exceptions import BentoMLException
from pebble import ProcessExpired, ProcessPool
from PIL import Image

from models.vision.pictures import UnreadableError
from neighborconnect.contracts.vision import REFUSED
from neighborconnect.telemetry import get_logger

_TASKS_A_PROCESS = 500
"""After so many a process is replaced: decoders of images leak now and then."""
_BLOCKS_KEPT = 4
"""Blocks of 16 MiB that Pillow keeps for the next picture."""

Result = TypeVar("Result")

_log = get_logger(__name__)


class RefusedError(BentoMLException):
    """The file cannot be taken; the message says why and is for who sent it."""

    error_code = REFUSED


def _prepare(memory: int) -> None:
    # Data, not address space: networks and libraries map far more than they use.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    # Memory that the kernel has to clear for each picture anew is a third of the work on it.
    Image.core.set_blocks_max(_BLOCKS_KEPT)  # type: ignore[attr-defined]


class Workers:
    """A few processes that each do one task at a time."""

    def __init__(self, number: int, *, memory_mib: int) -> None:
        """Start none yet: the first task does.

        Args:
            number: of processes.
            memory_mib: of data that each may hold.
        """
        self._number, self._memory = number, memory_mib * 1024**2
        self._pool = self._open()

    def _open(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._number,
            max_tasks=_TASKS_A_PROCESS,
            initializer=_prepare,
            initargs=[self._memory],
            # The service has threads, which a fork would not take along but whose locks it would.
            context=multiprocessing.get_context("spawn"),
        )

    async def run(self, task: Callable[[], Result], *, seconds: float) -> Result:
        """Do a task in a process, and return what it returns. Giving up ends the process.

        Args:
            task: a ``functools.partial`` of a function of a module.
            seconds: that it may take.

        Raises:
            RefusedError: when it raises an ``UnreadableError``, or takes more memory or time than it may.
        """
        try:
            return await self._do(task, seconds)
        except BrokenProcessPool:
            # All processes were killed between two tasks, which the pool does not survive; the task is not to blame.
            return await self._do(task, seconds)

    async def _do(self, task: Callable[[], Result], seconds: float) -> Result:
        pool = self._pool
        try:
            future = pool.schedule(task, timeout=seconds)
        except RuntimeError:
            self._renew(pool)
            future = self._pool.schedule(task, timeout=seconds)
        try:
            result: Result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()  # type: ignore[no-untyped-call]
            raise
        except UnreadableError as error:
            raise RefusedError(str(error)) from None
        except TimeoutError:
            raise RefusedError(f"It takes longer than {seconds:.0f} seconds") from None
        except BrokenProcessPool:
            self._renew(pool)
            raise
        except (MemoryError, ProcessExpired) as error:
            _log.warning("worker.died", error=str(error))
            raise RefusedError("It takes more memory than a file may") from None
        return result

    def _renew(self, broken: ProcessPool) -> None:
        if self._pool is broken:
            _log.warning("workers.renewed")
            self._pool = self._open()
            _end(broken)

    def stop(self) -> None:
        """End the processes; what they are doing is lost."""
        _end(self._pool)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    # Joining waits for threads of the pool; the service's event loop must not.
    threading.Thread(target=pool.join, daemon=True).start()
