"""The processes that look at strangers' files: whatever becomes of one, the next task is done."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from bentos.workers import RejectedFileError, Workers
from models.vision.images import read

SOON = 120
"""Seconds after which an unfinished task counts as hanging."""


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = Workers(1, memory_mib=512)
    yield found
    found.stop()


async def alive(workers: Workers) -> bool:
    done = await asyncio.wait_for(workers.run(partial(len, b"four"), seconds=SOON), SOON)
    return done == 4


@pytest.mark.parametrize(
    ("task", "seconds", "why"),
    [
        (partial(time.sleep, 3_600), 1, "It takes longer than 1 seconds"),
        (partial(bytearray, 2 * 1024**3), SOON, "It needs more memory than allowed"),
        (partial(os._exit, 1), SOON, "It needs more memory than allowed"),
        (os.abort, SOON, "It needs more memory than allowed"),
        (partial(read, b"no picture"), SOON, "It is not a JPEG"),
    ],
    ids=["slow", "greedy", "gone", "crashed", "unreadable"],
)
async def test_what_goes_wrong_is_refused_and_the_next_task_is_done(
    workers: Workers, task: Any, seconds: float, why: str
) -> None:
    with pytest.raises(RejectedFileError, match=why):
        await workers.run(task, seconds=seconds)
    assert await alive(workers)


async def test_giving_up_ends_the_task(workers: Workers) -> None:
    assert await alive(workers)
    given_up = asyncio.create_task(workers.run(partial(time.sleep, 3_600), seconds=3_600))
    await asyncio.sleep(0.5)
    given_up.cancel()
    assert await alive(workers)


async def test_all_processes_killed_between_two_tasks_are_replaced(workers: Workers) -> None:
    process = await workers.run(os.getpid, seconds=SOON)
    os.kill(process, signal.SIGKILL)
    assert await alive(workers)


async def test_a_fault_of_ours_is_no_refusal(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        await workers.run(partial(divmod, 1, 0), seconds=SOON)
    assert await alive(workers)
