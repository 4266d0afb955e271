"""Presence in Redis: one key per user and one sorted set of all users; both expire after a minute.

Failures of Redis are logged and not raised.
"""

from __future__ import annotations

import time
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger

ONLINE_SECONDS = 60
ONLINE = "users:online"
"""Sorted set of online users by expiry in seconds since 1970; intersected with sets of user ids for counts."""

log = get_logger(__name__)


def online_key(user_id: UUID) -> str:
    """Return the Redis key of a user's presence."""
    return f"user:{user_id}:online"


async def mark_online(redis: Redis, user_id: UUID) -> None:
    """Mark a user as online for the next ``ONLINE_SECONDS`` seconds."""
    try:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.set(online_key(user_id), "1", ex=ONLINE_SECONDS)
            pipe.zadd(ONLINE, {str(user_id): time.time() + ONLINE_SECONDS})
            await pipe.execute()
    except RedisError as error:
        log.warning("presence.failed", error=type(error).__name__)


async def online(redis: Redis, user_ids: list[UUID]) -> set[UUID]:
    """Return the online users among ``user_ids``; none when Redis is unavailable."""
    if not user_ids:
        return set()
    try:
        values = await redis.mget([online_key(user_id) for user_id in user_ids])
    except RedisError:
        return set()
    return {user_id for user_id, value in zip(user_ids, values, strict=True) if value}


async def count_online(redis: Redis, key: str) -> int | None:
    """Count the online users in the set of user ids at ``key``; None when Redis is unavailable."""
    try:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(ONLINE, "-inf", time.time())
            pipe.zintercard(2, [ONLINE, key])
            return int((await pipe.execute())[1])
    except RedisError:
        return None
