"""Telling streams of every API process that people have something new, through Redis and after the commit.

A bell that nobody hears loses nothing: a stream reads PostgreSQL, and looks again now and then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.db.session import after_commit
from transactional_api.notifications.unread import UNREAD

CHANNEL = "notifications"
RETRY_SECONDS = 1.0

log = get_logger(__name__)


def ring(session: AsyncSession, redis: Redis, user_ids: Collection[UUID]) -> None:
    """Say, once the session's transaction is committed, who has something new."""

    async def tell() -> None:
        await UNREAD.drop(redis, *user_ids)
        try:
            await redis.publish(CHANNEL, orjson.dumps([str(one) for one in user_ids]))
        except RedisError as error:
            log.warning("notifications.bell_failed", error=type(error).__name__)

    if user_ids:
        after_commit(session, tell)


class Bells:
    """What the streams of one process wait for, over a single subscription."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def heard_by(self, user_id: UUID) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever there is something new for a person."""
        news = asyncio.Event()
        self._waiting[user_id].add(news)
        try:
            yield news
        finally:
            self._waiting[user_id].discard(news)
            if not self._waiting[user_id]:
                del self._waiting[user_id]

    async def run(self) -> None:
        """Hear the bells of every process until cancelled; a Redis that goes away is waited for."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    async for said in pubsub.listen():
                        for user_id in orjson.loads(said["data"]):
                            for news in self._waiting.get(UUID(user_id), ()):
                                news.set()
            except (RedisError, OSError) as error:
                log.warning("notifications.deaf", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def open_bells(settings: Settings) -> AsyncIterator[Bells]:
    """Listen over a connection of its own, and close it at the end."""
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=2)
    bells = Bells(redis)
    hearing = asyncio.create_task(bells.run())
    try:
        yield bells
    finally:
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing
        await redis.aclose()
