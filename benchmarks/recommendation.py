"""``python -m benchmarks recommendation``: how long the bento takes for a ranking, at 1 and at 16 callers.

Needs a released champion. The people asked for are those whom the warehouse knows, so that they have vectors.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import cycle

import httpx
import psycopg

from benchmarks.report import Row, percentiles
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankRequest
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

CALLERS = (1, 16)
CALLS = 800
_WARM_UP_CALLS = 50
_PEOPLE = 200


def run(settings: Settings) -> list[Row]:
    """Measure ``POST /rank`` for posts, as the API calls it."""
    people = _people(settings)
    rows: list[Row] = []
    for callers in CALLERS:
        seconds, answers = asyncio.run(_measure(settings, people=people, callers=callers))
        note = f"{CALLS} calls: " + ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
        rows += percentiles(f"recommendation, {callers} callers", seconds, note=note)
    return rows


def _people(settings: Settings) -> list[str]:
    with psycopg.connect(settings.database_url) as connection:
        found = connection.execute("SELECT id::text FROM users ORDER BY created_at LIMIT %s", (_PEOPLE,)).fetchall()
    if not found:
        raise RuntimeError("There is nobody to recommend to: run `make up` first.")
    return [user_id for (user_id,) in found]


async def _measure(settings: Settings, *, people: list[str], callers: int) -> tuple[list[float], Counter[str]]:
    """Return the seconds of each call and how often which path answered."""
    seconds: list[float] = []
    answers: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(
        base_url=settings.recommendation_url,
        headers=bearer(settings.platform_token),
        limits=limits,
        timeout=30,
        trust_env=False,
    ) as client:

        async def call(user_id: str) -> str:
            request = RankRequest(request_id="benchmark", user_id=user_id, item_kind=ItemKind.POST)
            answer = await client.post("/rank", json={"request": request.model_dump(mode="json")})
            return str(answer.json()["path"]) if answer.is_success else str(answer.status_code)

        turns = cycle(people)
        for _ in range(_WARM_UP_CALLS):
            await call(next(turns))

        async def caller() -> None:
            for _ in range(CALLS // callers):
                began = time.perf_counter()
                answer = await call(next(turns))
                seconds.append(time.perf_counter() - began)
                answers[answer] += 1

        await asyncio.gather(*(caller() for _ in range(callers)))
    return seconds, answers
