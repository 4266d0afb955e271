"""Hot lists: copies in Redis, for some seconds, of ids that many ask for again and again.

PostgreSQL has the truth, and makes the copy anew for the first who finds none. Whoever reads one narrows it to the
viewer, as any other ids, or counts and shows nobody. Redis away means that PostgreSQL is asked each time.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.db.plain import Ready
from transactional_api.prepared import parameter

KEPT_SECONDS = 10
OWNER = parameter("owner_id")
"""Whose list it is, in the statement of a ``HotList``."""
# Redis knows no empty lists, and one that is not there is one to make.
_EMPTY = b"-"

log = get_logger(__name__)


async def redis_of(request: Request) -> Redis:
    """Return the connections to Redis that requests share."""
    return cast("Redis", request.app.state.redis)


RedisDep = Annotated[Redis, Depends(redis_of)]
"""Redis, for what may be lost."""


@dataclass(frozen=True, slots=True)
class HotList:
    """A list, or a set, of ids under a key of its owner's."""

    pattern: str
    """The key, with ``{}`` for the owner's id."""
    ids: Ready
    as_set: bool = False

    @classmethod
    def of(cls, pattern: str, ids: Select[tuple[UUID]], *, as_set: bool = False) -> HotList:
        """Name a list whose ids a statement about ``OWNER`` returns, in the order that is to be kept."""
        return cls(pattern, Ready(ids), as_set)

    def key(self, owner_id: UUID) -> str:
        """Return the key in Redis."""
        return self.pattern.format(owner_id)

    async def read(self, session: AsyncSession, redis: Redis, *, owner_id: UUID) -> list[UUID]:
        """Return the ids as they are now, or were ``KEPT_SECONDS`` ago."""
        key = self.key(owner_id)
        try:
            # redis-py types these as of both its clients.
            asked: Any = redis.smembers(key) if self.as_set else redis.lrange(key, 0, -1)
            kept = await cast("Awaitable[Any]", asked)
        except RedisError as error:
            log.warning("hot.unavailable", list=self.pattern, error=type(error).__name__)
            return await self._look(session, owner_id)
        if kept:
            return [UUID(one.decode()) for one in kept if one != _EMPTY]
        ids = await self._look(session, owner_id)
        await self._keep(redis, key, ids)
        return ids

    async def drop(self, redis: Redis, *owner_ids: UUID) -> None:
        """Have the lists of these owners made anew; one that cannot be dropped is old for ``KEPT_SECONDS`` at most."""
        try:
            if owner_ids:
                await redis.unlink(*(self.key(one) for one in owner_ids))
        except RedisError as error:
            log.warning("hot.not_dropped", list=self.pattern, error=type(error).__name__)

    async def _look(self, session: AsyncSession, owner_id: UUID) -> list[UUID]:
        return [row[0] for row in await self.ids.all(session, owner_id=owner_id)]

    async def _keep(self, redis: Redis, key: str, ids: list[UUID]) -> None:
        values = [str(one).encode() for one in ids] or [_EMPTY]
        try:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.unlink(key)
                if self.as_set:
                    pipe.sadd(key, *values)
                else:
                    pipe.rpush(key, *values)
                pipe.expire(key, KEPT_SECONDS)
                await pipe.execute()
        except RedisError as error:
            log.warning("hot.not_kept", list=self.pattern, error=type(error).__name__)
