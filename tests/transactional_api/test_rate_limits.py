"""Rate limits: counted per endpoint and person, shown in headers, and no failure while Redis is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from fastapi import Request
from redis.asyncio import Redis

from tests.transactional_api.people import Person, Town
from transactional_api.core.errors import RateLimitedError
from transactional_api.core.http.rate_limits import open_rate_limits


@pytest.fixture
async def tight(town: Town) -> AsyncIterator[None]:
    """Five reads and three writes a minute."""
    before = town.app.state.rate_limits
    settings = town.app.state.settings.model_copy(
        update={"rate_limit_reads": "5/minute", "rate_limit_writes": "3/minute"}
    )
    town.app.state.rate_limits = open_rate_limits(settings, town.app.state.redis)
    yield
    town.app.state.rate_limits = before


async def test_what_is_too_much_is_refused_and_says_when_to_come_again(ada: Person, tight: None) -> None:
    answers = [await ada.get("/users/profile") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [int(answer.headers["RateLimit-Remaining"]) for answer in answers] == [4, 3, 2, 1, 0, 0, 0]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 120
    assert refused.headers["RateLimit-Limit"] == "5"


async def test_each_person_and_each_endpoint_has_its_own(ada: Person, ben: Person, tight: None) -> None:
    for _ in range(6):
        await ada.get("/users/profile")
    assert (await ada.get("/users/profile")).status_code == 429
    assert (await ada.get("/notifications")).status_code == 200
    assert (await ben.get("/users/profile")).status_code == 200


async def test_many_at_once_do_not_slip_through(ada: Person, tight: None) -> None:
    answers = await asyncio.gather(*(ada.post("/connectors", {"name": "A", "category": "b"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 5


async def test_without_redis_there_is_no_limit(town: Town, ada: Person, tight: None) -> None:
    settings = town.app.state.settings.model_copy(update={"rate_limit_reads": "1/minute"})
    away = Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=1)
    town.app.state.rate_limits = open_rate_limits(settings, away)
    answers = [await ada.get("/users/profile") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers
    await away.aclose()


async def test_after_the_time_that_a_refusal_names_there_is_room_again(town: Town, ada: Person) -> None:
    settings = town.app.state.settings.model_copy(update={"rate_limit_reads": "2/second"})
    limits = open_rate_limits(settings, town.app.state.redis)

    async def count() -> int:
        """Return 0 where there was room, else the seconds to wait."""
        request = Request({"type": "http", "method": "GET"})
        try:
            await limits.count(request, ada.id, uuid4())
        except RateLimitedError as refused:
            return int(refused.headers["Retry-After"])
        return 0

    waits = [wait for wait in [await count() for _ in range(20)] if wait]
    assert waits
    await asyncio.sleep(waits[-1])
    assert await count() == 0
