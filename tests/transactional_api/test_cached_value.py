"""Values cached in Redis as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter
from redis.asyncio import Redis

from tests.transactional_api.people import Town
from transactional_api.core.cache import CachedValue


@dataclass(frozen=True)
class Row:
    """A value with types that JSON does not have."""

    id: UUID
    scores: list[float]


ROWS = CachedValue("test-rows:{}", TypeAdapter(list[Row]), ttl_seconds=60)


def counting_loader(value: list[Row]) -> tuple[Callable[[], Awaitable[list[Row]]], list[None]]:
    """Return a loader of ``value`` and a list that grows with each of its calls."""
    calls: list[None] = []

    async def load() -> list[Row]:
        calls.append(None)
        return value

    return load, calls


class TestCachedValue:
    async def test_loads_once_and_returns_equal_values(self, town: Town) -> None:
        rows, name = [Row(uuid4(), [0.1, 1 / 3])], uuid4().hex
        load, calls = counting_loader(rows)
        assert [await ROWS.get(town.app.state.redis, name, load=load) for _ in range(3)] == [rows] * 3
        assert len(calls) == 1
        assert 0 < await town.app.state.redis.ttl(f"test-rows:{name}") <= 60

    async def test_an_empty_value_is_cached_too(self, town: Town) -> None:
        load, calls = counting_loader([])
        name = uuid4().hex
        assert [await ROWS.get(town.app.state.redis, name, load=load) for _ in range(2)] == [[], []]
        assert len(calls) == 1

    async def test_names_do_not_share_values(self, town: Town) -> None:
        rows = [Row(uuid4(), [])]
        await ROWS.get(town.app.state.redis, uuid4().hex, load=counting_loader(rows)[0])
        load, calls = counting_loader([])
        assert await ROWS.get(town.app.state.redis, uuid4().hex, load=load) == []
        assert len(calls) == 1

    async def test_a_value_of_another_form_is_replaced(self, town: Town) -> None:
        name = uuid4().hex
        await town.app.state.redis.set(f"test-rows:{name}", b'[["old", 1]]')
        load, calls = counting_loader([])
        assert [await ROWS.get(town.app.state.redis, name, load=load) for _ in range(2)] == [[], []]
        assert len(calls) == 1

    async def test_errors_are_raised_and_not_cached(self, town: Town) -> None:
        async def fail() -> list[Row]:
            raise LookupError

        name = uuid4().hex
        with pytest.raises(LookupError):
            await ROWS.get(town.app.state.redis, name, load=fail)
        assert not await town.app.state.redis.exists(f"test-rows:{name}")

    async def test_without_redis_each_read_loads(self) -> None:
        load, calls = counting_loader([])
        redis = Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=1)
        assert [await ROWS.get(redis, "any", load=load) for _ in range(2)] == [[], []]
        assert len(calls) == 2
        await redis.aclose()
