"""Open-loop load: requests at fixed times, whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.accounts import Account
from benchmarks.report import Row, percentiles

PER_SECOND = 20
_WARM_UP = 60


async def ask(path: str, calls: Sequence[tuple[Account, Any]]) -> list[Row]:
    """POST each body for its person, ``PER_SECOND``; a call's time begins when it was due.

    The first calls are made at the same pace before, and not counted: they open connections and warm caches.

    Args:
        path: a route whose answers say which path they came by.
        calls: who asks, and the body.
    """
    await _at_pace(path, calls[:_WARM_UP])
    answers = await _at_pace(path, calls)
    by_model = sum(modelled for _, modelled in answers)
    note = f"{len(calls)} calls, {PER_SECOND} a second; {by_model} answered by the model"
    return percentiles(path, [seconds for seconds, _ in answers], note=note)


async def _at_pace(path: str, calls: Sequence[tuple[Account, Any]]) -> list[tuple[float, bool]]:
    """Return the seconds of each request, and whether the model answered it."""
    begin = time.perf_counter()

    async def one(place: int, somebody: Account, body: Any) -> tuple[float, bool]:
        due = begin + place / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await somebody.ask("POST", path, body)
        return time.perf_counter() - due, answer["source"] == "model"

    return await asyncio.gather(*(one(place, *call) for place, call in enumerate(calls)))
