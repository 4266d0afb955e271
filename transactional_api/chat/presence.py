"""Who is there: a key in Redis for each person, and all of them in one set; both end after a minute.

A Redis that does not answer is noted and does no harm.
"""

from __future__ import annotations

import time
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger

ONLINE_SECONDS = 60
ONLINE = "users:online"
"""Everybody who is there, by when that ends in seconds since 1970: for counting those of a set."""

log = get_logger(__name__)


def online_key(user_id: UUID) -> str:
    """Return the Redis key that says that a person is there."""
    return f"user:{user_id}:online"


async def mark_online(redis: Redis, user_id: UUID) -> None:
    """Say that a person is there for the next minute."""
    try:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.set(online_key(user_id), "1", ex=ONLINE_SECONDS)
            pipe.zadd(ONLINE, {str(user_id): time.time() + ONLINE_SECONDS})
            await pipe.execute()
    except RedisError as error:
        log.warning("presence.failed", error=type(error).__name__)


async def online(redis: Redis, user_ids: list[UUID]) -> set[UUID]:
    """Return who of these is there; nobody where Redis does not answer."""
    if not user_ids:
        return set()
    try:
        marks = await redis.mget([online_key(user_id) for user_id in user_ids])
    except RedisError:
        return set()
    return {user_id for user_id, mark in zip(user_ids, marks, strict=True) if mark}


async def count_online(redis: Redis, key: str) -> int | None:
    """Count who of the set of people's ids at ``key`` is there; None where Redis does not answer."""
    try:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(ONLINE, "-inf", time.time())
            pipe.zintercard(2, [ONLINE, key])
            return int((await pipe.execute())[1])
    except RedisError:
        return None
