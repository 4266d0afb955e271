"""The sandboxed processes of the image and the video service, whose refusals are answers of HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bentoml.exceptions import BentoMLException
from PIL import Image

from neighborconnect.contracts.vision import REFUSED
from neighborconnect.sandbox import Limits, Sandbox, UnreadableError

_BLOCKS_KEPT = 4
"""Blocks of 16 MiB that Pillow keeps for the next picture."""

Result = TypeVar("Result")


class RefusedError(BentoMLException):
    """The file cannot be taken; the message says why and is for who sent it."""

    error_code = REFUSED


def _keep_blocks() -> None:
    # Memory that the kernel has to clear for each picture is a third of the work on it.
    Image.core.set_blocks_max(_BLOCKS_KEPT)  # type: ignore[attr-defined]


class Workers:
    """A few processes that each do one task at a time."""

    def __init__(self, number: int, *, memory_mib: int, file_mib: int = 64) -> None:
        """Start none yet: the first task does.

        Args:
            number: of processes.
            memory_mib: of data that each may hold.
            file_mib: of a file that each may write.
        """
        self._sandbox = Sandbox(number, limits=Limits(memory_mib, file_mib), prepare=_keep_blocks)

    async def run(self, task: Callable[[], Result], *, seconds: float) -> Result:
        """Do a task in a process, and return its result. Giving up ends the process.

        Args:
            task: a ``functools.partial`` of a function of a module.
            seconds: that it may take.

        Raises:
            RefusedError: when it raises an ``UnreadableError``, or takes more memory or time than it may.
        """
        try:
            return await self._sandbox.run(task, seconds=seconds)
        except UnreadableError as error:
            raise RefusedError(str(error)) from None

    def stop(self) -> None:
        """End the processes; what they are doing is lost."""
        self._sandbox.stop()
