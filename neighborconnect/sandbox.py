"""Processes that decode untrusted files: bounded memory, time, files and frames, no network, no other program.

A decoder of images or videos is a large parser of hostile input. It runs in a process that holds no connection, may
open none, and is replaced when it dies; the process that asked goes on.
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

_TASKS_A_PROCESS = 500
"""After so many a process is replaced: decoders of images leak now and then."""
_CPU_SLACK_SECONDS = 5

Result = TypeVar("Result")

_log = get_logger(__name__)


class UnreadableError(ValueError):
    """The file cannot be taken; the message is for its owner."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of each process.

    Attributes:
        memory_mib: data that it may hold.
        file_mib: size of a file that it writes.
        open_files: files open at once.
    """

    memory_mib: int
    file_mib: int = 64
    open_files: int = 256


def _prepare(limits: Limits, prepare: Callable[[], None] | None) -> None:
    seccomp.die_with_parent()
    if prepare is not None:
        prepare()
    memory, size = limits.memory_mib * 1024**2, limits.file_mib * 1024**2
    # Data, not address space: networks and libraries map far more than they use.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seccomp.drop_privileges()


def _bounded(task: Callable[[], Result], seconds: float) -> Result:
    """Run a task with a limit on processor time: all processors for as long as it may take."""
    used = sum(os.times()[:2])
    allowed = seconds * (os.cpu_count() or 1) + _CPU_SLACK_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + allowed), resource.RLIM_INFINITY))
    return task()


class Sandbox:
    """A few processes that each do one task at a time."""

    def __init__(self, number: int, *, limits: Limits, prepare: Callable[[], None] | None = None) -> None:
        """Start none yet: the first task does.

        Args:
            number: of processes.
            limits: of each of them.
            prepare: runs once in each process, before its limits hold.
        """
        self._number, self._limits, self._prepare = number, limits, prepare
        self._pool = self._open()

    def _open(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._number,
            max_tasks=_TASKS_A_PROCESS,
            initializer=_prepare,
            initargs=[self._limits, self._prepare],
            # The caller has threads, which a fork would not take along but whose locks it would.
            context=multiprocessing.get_context("spawn"),
        )

    async def run(self, task: Callable[[], Result], *, seconds: float) -> Result:
        """Do a task in a process, and return its result. Giving up ends the process.

        Args:
            task: a ``functools.partial`` of a function of a module.
            seconds: that it may take.

        Raises:
            UnreadableError: raised by the task, or when it takes more memory or time than it may, or its process dies.
        """
        try:
            return await self._do(task, seconds)
        except BrokenProcessPool:
            # All processes were killed between two tasks, which the pool does not survive; the task is not to blame.
            return await self._do(task, seconds)

    async def _do(self, task: Callable[[], Result], seconds: float) -> Result:
        pool = self._pool
        try:
            future = pool.schedule(_bounded, args=[task, seconds], timeout=seconds)
        except RuntimeError:
            self._renew(pool)
            future = self._pool.schedule(_bounded, args=[task, seconds], timeout=seconds)
        try:
            result: Result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()  # type: ignore[no-untyped-call]
            raise
        except TimeoutError:
            raise UnreadableError(f"It takes longer than {seconds:.0f} seconds") from None
        except BrokenProcessPool:
            self._renew(pool)
            raise
        except (MemoryError, ProcessExpired) as error:
            _log.warning("sandbox.died", error=str(error))
            raise UnreadableError("It takes more memory than a file may") from None
        return result

    def _renew(self, broken: ProcessPool) -> None:
        if self._pool is broken:
            _log.warning("sandbox.renewed")
            self._pool = self._open()
            _end(broken)

    def stop(self) -> None:
        """End the processes; what they are doing is lost."""
        _end(self._pool)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    # Joining waits for threads of the pool; the caller's event loop must not.
    threading.Thread(target=pool.join, daemon=True).start()
