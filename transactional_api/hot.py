"""Hot lists: copies in Redis, for some seconds, of ids that many ask for again and again.

PostgreSQL has the truth, and makes the copy anew for the first who finds none. Whoever reads one narrows it to the
viewer, as any other ids, or counts and shows nobody. Redis away means that PostgreSQL is asked each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Select, String, bindparam
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.db.plain import Ready
from transactional_api.prepared import parameter

KEPT_SECONDS = 10
OWNER = parameter("owner")
"""Whose list it is, in the statement of a ``HotList``."""
OWNING_PLACE = bindparam("owner", type_=String())
"""The same where a list is a neighbourhood's."""
Owner = UUID | str


def _owner_alone(owner: Owner) -> dict[str, Any]:
    return {"owner": owner}


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
    """The key, with ``{}`` for the owner."""
    ids: Ready
    as_set: bool = False
    kept_seconds: int | None = None
    """How long a copy is kept; ``KEPT_SECONDS`` unless said."""
    parameters: Callable[[Owner], dict[str, Any]] = _owner_alone
    """What the statement asks for, by the owner: ``owner`` itself unless said."""

    @classmethod
    def of(
        cls,
        pattern: str,
        ids: Select[tuple[UUID]],
        *,
        as_set: bool = False,
        kept_seconds: int | None = None,
        parameters: Callable[[Owner], dict[str, Any]] = _owner_alone,
    ) -> HotList:
        """Name a list whose ids a statement about its owner returns, in the order that is to be kept."""
        return cls(pattern, Ready(ids), as_set, kept_seconds, parameters)

    def key(self, owner: Owner) -> str:
        """Return the key in Redis."""
        return self.pattern.format(owner)

    async def read(self, session: AsyncSession, redis: Redis, *, owner: Owner) -> list[UUID]:
        """Return the ids as they are now, or were ``kept_seconds`` ago."""
        key = self.key(owner)
        try:
            # redis-py types these as of both its clients.
            asked: Any = redis.smembers(key) if self.as_set else redis.lrange(key, 0, -1)
            kept = await cast("Awaitable[Any]", asked)
        except RedisError as error:
            log.warning("hot.unavailable", list=self.pattern, error=type(error).__name__)
            return await self._look(session, owner)
        if kept:
            return [UUID(one.decode()) for one in kept if one != _EMPTY]
        ids = await self._look(session, owner)
        await self._keep(redis, key, ids)
        return ids

    async def drop(self, redis: Redis, *owners: Owner) -> None:
        """Have the lists of these owners made anew; one that cannot be dropped is old for ``kept_seconds`` at most."""
        try:
            if owners:
                await redis.unlink(*(self.key(one) for one in owners))
        except RedisError as error:
            log.warning("hot.not_dropped", list=self.pattern, error=type(error).__name__)

    async def _look(self, session: AsyncSession, owner: Owner) -> list[UUID]:
        return [row[0] for row in await self.ids.all(session, **self.parameters(owner))]

    async def _keep(self, redis: Redis, key: str, ids: list[UUID]) -> None:
        values = [str(one).encode() for one in ids] or [_EMPTY]
        try:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.unlink(key)
                if self.as_set:
                    pipe.sadd(key, *values)
                else:
                    pipe.rpush(key, *values)
                pipe.expire(key, self.kept_seconds or KEPT_SECONDS)
                await pipe.execute()
        except RedisError as error:
            log.warning("hot.not_kept", list=self.pattern, error=type(error).__name__)
