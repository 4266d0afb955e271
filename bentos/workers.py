"""Sandboxed worker processes of the image and video services; a rejected file becomes an HTTP response."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bentoml.exceptions import BentoMLException
from PIL import Image

from neighborconnect.contracts.vision import REFUSED
from neighborconnect.sandbox import Limits, Sandbox, UnreadableError

_RETAINED_BLOCKS = 4
"""Blocks of 16 MiB that Pillow retains for the next picture."""

Result = TypeVar("Result")


class RejectedFileError(BentoMLException):
    """The file cannot be processed; the message is shown to its sender."""

    error_code = REFUSED


def _retain_blocks() -> None:
    # Memory that the kernel zeroes for each picture takes a third of the processing time.
    Image.core.set_blocks_max(_RETAINED_BLOCKS)  # type: ignore[attr-defined]


class Workers:
    """Pool of sandboxed processes that run one task at a time each."""

    def __init__(self, number: int, *, memory_mib: int, file_mib: int = 64) -> None:
        """Create the pool; processes start with the first task.

        Args:
            number: number of processes.
            memory_mib: memory limit of each process.
            file_mib: size limit of a file that a process writes.
        """
        self._sandbox = Sandbox(number, limits=Limits(memory_mib, file_mib), prepare=_retain_blocks)

    async def run(self, task: Callable[[], Result], *, seconds: float) -> Result:
        """Run a task in a process and return its result. Cancellation ends the process.

        Args:
            task: ``functools.partial`` of a module-level function.
            seconds: time limit.

        Raises:
            RejectedFileError: when the task raises ``UnreadableError`` or exceeds its memory or time limit.
        """
        try:
            return await self._sandbox.run(task, seconds=seconds)
        except UnreadableError as error:
            raise RejectedFileError(str(error)) from None

    def stop(self) -> None:
        """End the processes; running tasks are lost."""
        self._sandbox.stop()
