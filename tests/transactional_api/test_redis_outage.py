"""A Redis that accepts connections and never answers costs function, not availability."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from asgi_lifespan import LifespanManager
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from neighborconnect.settings import Settings
from tests.transactional_api.people import Town
from transactional_api.app import create_app
from transactional_api.core.redis_client import FAILURES_BEFORE_OPEN, OPEN_SECONDS, open_redis


@dataclass
class StallingProxy:
    """A proxy in front of the real Redis that can stop passing data on, as a frozen server would."""

    url: str
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    received: int = 0
    """How many times data of a client has arrived."""


@pytest.fixture
async def proxy(settings: Settings) -> AsyncIterator[StallingProxy]:
    parts = urlsplit(settings.redis_url)
    relays: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_request: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                stalling.received += is_request
                await stalling.flowing.wait()
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_redis = await asyncio.open_connection(parts.hostname, parts.port)
        for copying in (copy(reader, to_redis[1], is_request=True), copy(to_redis[0], writer, is_request=False)):
            task = asyncio.create_task(copying)
            relays.add(task)
            task.add_done_callback(relays.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
    stalling = StallingProxy(urlunsplit(parts._replace(netloc=netloc)))
    stalling.flowing.set()
    yield stalling
    server.close()
    for task in list(relays):
        task.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def test_after_three_timeouts_commands_fail_until_redis_is_back(proxy: StallingProxy, settings: Settings) -> None:
    now = [0.0]
    redis = open_redis(settings.model_copy(update={"redis_url": proxy.url}), clock=lambda: now[0])
    try:
        assert await redis.ping()
        proxy.flowing.clear()
        for _ in range(FAILURES_BEFORE_OPEN):
            with pytest.raises(RedisTimeoutError):
                await redis.ping()
        arrived = proxy.received
        for _ in range(20):
            with pytest.raises(RedisConnectionError, match="not asked for a moment"):
                await redis.ping()
        assert proxy.received == arrived
        proxy.flowing.set()
        now[0] += OPEN_SECONDS
        assert await redis.ping()
        assert await redis.ping()
    finally:
        await redis.aclose()


async def test_a_refused_command_is_no_failure_of_redis(settings: Settings) -> None:
    redis = open_redis(settings)
    try:
        await redis.set("test:outage", "text", ex=60)
        for _ in range(2 * FAILURES_BEFORE_OPEN):
            with pytest.raises(ResponseError):
                await redis.lpush("test:outage", "x")
        assert await redis.get("test:outage") == b"text"
    finally:
        await redis.aclose()


async def test_with_a_hung_redis_requests_succeed_and_readyz_names_it(
    proxy: StallingProxy, settings: Settings, town: Town
) -> None:
    app = create_app(settings.model_copy(update={"redis_url": proxy.url}))
    async with (
        LifespanManager(app) as running,
        httpx.AsyncClient(transport=httpx.ASGITransport(running.app), base_url="http://api.test") as http,
    ):
        person = await Town(app, http).create_user()
        connector = await person.make_connector()
        proxy.flowing.clear()
        answers = [
            await person.get("/users/profile"),
            await person.get(f"/posts/connector/{connector['id']}"),
            await person.post("/posts", {"connector_id": connector["id"], "content": "Hello"}),
            await person.get("/notifications/unread"),
            await person.post("/recommendations/content", {"limit": 5}),
        ]
        ready = await http.get("/readyz")
        assert [answer.status_code for answer in answers] == [200, 200, 201, 200, 200]
        assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "degraded": ["redis"]})
        proxy.flowing.set()
        with suppress(RedisError):  # One call may still find the breaker open.
            await app.state.redis.ping()
