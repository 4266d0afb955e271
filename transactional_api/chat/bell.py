"""Telling every API process that something happened in a conversation, through Redis and after the commit.

A bell that nobody hears loses nothing: whoever listens reads PostgreSQL by event number, and looks again now and then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.db.session import after_commit

ONLINE_SECONDS = 60
ONLINE = "users:online"
"""Everybody who is there, by when that ends in seconds since 1970: for counting those of a set."""

log = get_logger(__name__)


def channel(conversation_id: UUID) -> str:
    """Return the Redis channel of a conversation."""
    return f"chat:{conversation_id}"


def online_key(user_id: UUID) -> str:
    """Return the Redis key that says that a person is there."""
    return f"user:{user_id}:online"


@dataclass(frozen=True, slots=True)
class Bell:
    """Rings in Redis; a Redis that does not answer is noted and does no harm."""

    redis: Redis

    def ring(self, session: AsyncSession, conversation_id: UUID, frame: dict[str, Any] | None = None) -> None:
        """Say, once the session's transaction is committed, that there are new events, or what ``frame`` says."""

        async def tell() -> None:
            await self.say(conversation_id, frame or {"type": "events"})

        after_commit(session, tell)

    async def say(self, conversation_id: UUID, frame: dict[str, Any]) -> None:
        """Tell what is not numbered, such as typing, to whoever listens now."""
        try:
            await self.redis.publish(channel(conversation_id), orjson.dumps(frame))
        except RedisError as error:
            log.warning("chat.bell_failed", error=type(error).__name__)

    async def mark_online(self, user_id: UUID) -> None:
        """Say that a person is there for the next minute."""
        try:
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.set(online_key(user_id), "1", ex=ONLINE_SECONDS)
                pipe.zadd(ONLINE, {str(user_id): time.time() + ONLINE_SECONDS})
                await pipe.execute()
        except RedisError as error:
            log.warning("chat.presence_failed", error=type(error).__name__)

    async def online(self, user_ids: list[UUID]) -> set[UUID]:
        """Return who of these is there; nobody where Redis does not answer."""
        if not user_ids:
            return set()
        try:
            marks = await self.redis.mget([online_key(user_id) for user_id in user_ids])
        except RedisError:
            return set()
        return {user_id for user_id, mark in zip(user_ids, marks, strict=True) if mark}

    async def count_online(self, key: str) -> int | None:
        """Count who of the set of people's ids at ``key`` is there; None where Redis does not answer."""
        try:
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.zremrangebyscore(ONLINE, "-inf", time.time())
                pipe.zintercard(2, [ONLINE, key])
                return int((await pipe.execute())[1])
        except RedisError:
            return None
