"""Sandboxed processes for decoding untrusted files: limited memory, time and files, no network, no other programs.

A decoder of images or videos is a large parser of hostile input. It runs in a process that has no connection, can open
none, and is replaced when it dies; the calling process is not affected.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from neighborconnect import seccomp
from neighborconnect.telemetry import get_logger

_TASKS_PER_PROCESS = 500
"""Tasks after which a process is replaced, because image decoders leak memory."""
_CPU_SLACK_SECONDS = 5

Result = TypeVar("Result")

_log = get_logger(__name__)


class UnreadableError(ValueError):
    """A file cannot be read; the message is for its owner."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of each process.

    Attributes:
        memory_mib: data segment (``RLIMIT_DATA``) in MiB.
        file_mib: size of a written file in MiB.
        open_files: number of open files.
    """

    memory_mib: int
    file_mib: int = 64
    open_files: int = 256


def _prepare(limits: Limits, prepare: Callable[[], None] | None) -> None:
    seccomp.die_with_parent()
    if prepare is not None:
        prepare()
    memory, size = limits.memory_mib * 1024**2, limits.file_mib * 1024**2
    # The data segment, not the address space: models and libraries map far more than they use.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seccomp.drop_privileges()


def _bounded(task: Callable[[], Result], seconds: float) -> Result:
    """Run a task with a limit on CPU time: ``seconds`` on every processor."""
    used = sum(os.times()[:2])
    allowed = seconds * (os.cpu_count() or 1) + _CPU_SLACK_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + allowed), resource.RLIM_INFINITY))
    return task()


class Sandbox:
    """Pool of sandboxed processes that each run one task at a time."""

    def __init__(self, number: int, *, limits: Limits, prepare: Callable[[], None] | None = None) -> None:
        """Create the pool; processes start with the first task.

        Args:
            number: number of processes.
            limits: resource limits of each process.
            prepare: function that runs once in each process, before the limits apply.
        """
        self._number, self._limits, self._prepare = number, limits, prepare
        self._pool = self._open()

    def _open(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._number,
            max_tasks=_TASKS_PER_PROCESS,
            initializer=_prepare,
            initargs=[self._limits, self._prepare],
            # A fork would copy the locks of the caller's threads without the threads.
            context=multiprocessing.get_context("spawn"),
        )

    async def run(self, task: Callable[[], Result], *, seconds: float) -> Result:
        """Run a task in a process and return its result. Cancellation ends the process.

        Args:
            task: ``functools.partial`` of a module-level function.
            seconds: time limit.

        Raises:
            UnreadableError: raised by the task, or the task exceeds its memory or time limit, or its process dies.
        """
        try:
            return await self._run_once(task, seconds)
        except BrokenProcessPool:
            # All processes were killed between two tasks, which breaks the pool; the task is not the cause.
            return await self._run_once(task, seconds)

    async def _run_once(self, task: Callable[[], Result], seconds: float) -> Result:
        pool = self._pool
        try:
            future = pool.schedule(_bounded, args=[task, seconds], timeout=seconds)
        except RuntimeError:
            self._replace(pool)
            future = self._pool.schedule(_bounded, args=[task, seconds], timeout=seconds)
        try:
            result: Result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()  # type: ignore[no-untyped-call]
            raise
        except TimeoutError:
            raise UnreadableError(f"It takes longer than {seconds:.0f} seconds") from None
        except BrokenProcessPool:
            self._replace(pool)
            raise
        except (MemoryError, ProcessExpired) as error:
            _log.warning("sandbox.process_died", error=str(error))
            raise UnreadableError("It needs more memory than allowed") from None
        return result

    def _replace(self, broken: ProcessPool) -> None:
        if self._pool is broken:
            _log.warning("sandbox.pool_replaced")
            self._pool = self._open()
            _end(broken)

    def stop(self) -> None:
        """Kill the processes with their current tasks."""
        _end(self._pool)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    # Joining waits for threads of the pool, which must not block the caller's event loop.
    threading.Thread(target=pool.join, daemon=True).start()
