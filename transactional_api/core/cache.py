"""Caches in Redis with a TTL of seconds: lists of ids, and values as JSON.

PostgreSQL is the source of truth: a cache miss runs the query and stores its result. Callers filter cached ids by the
permissions of the viewer, or only count them. While Redis is unavailable, every read runs the query.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Select, String, bindparam

from neighborconnect.telemetry import get_logger
from transactional_api.core.compiled_queries import uuid_param
from transactional_api.core.db.statements import CompiledStatement, StatementRunner

DEFAULT_TTL_SECONDS = 10
OWNER = uuid_param("owner")
"""Bind parameter for the owner of a list, in the statement of a ``CachedIdList``."""
OWNING_NEIGHBORHOOD = bindparam("owner", type_=String())
"""The same for lists of a neighborhood."""
Owner = UUID | str

T = TypeVar("T")


def _owner_parameter(owner: Owner) -> dict[str, Any]:
    return {"owner": owner}


# Redis has no empty lists; this member distinguishes an empty result from a missing key.
_EMPTY = b"-"

log = get_logger(__name__)


async def redis_of(request: Request) -> Redis:
    """Return the Redis client that requests share."""
    return cast("Redis", request.app.state.redis)


RedisDep = Annotated[Redis, Depends(redis_of)]
"""Redis client, for data that may be lost."""


@dataclass(frozen=True, slots=True)
class CachedIdList:
    """A cached list or set of ids per owner."""

    pattern: str
    """Key, with ``{}`` for the owner."""
    ids: CompiledStatement
    as_set: bool = False
    ttl_seconds: int | None = None
    """Time to live of an entry; ``DEFAULT_TTL_SECONDS`` if None."""
    parameters: Callable[[Owner], dict[str, Any]] = _owner_parameter
    """Parameters of the statement by owner; ``owner`` itself by default."""

    @classmethod
    def of(
        cls,
        pattern: str,
        ids: Select[tuple[UUID]],
        *,
        as_set: bool = False,
        ttl_seconds: int | None = None,
        parameters: Callable[[Owner], dict[str, Any]] = _owner_parameter,
    ) -> CachedIdList:
        """Return the cached list of a statement, which takes the owner and returns ids in the order to store."""
        return cls(pattern, CompiledStatement(ids), as_set, ttl_seconds, parameters)

    def key(self, owner: Owner) -> str:
        """Return the key in Redis."""
        return self.pattern.format(owner)

    async def get(self, runner: StatementRunner, redis: Redis, *, owner: Owner) -> list[UUID]:
        """Return the ids, at most ``ttl_seconds`` old."""
        key = self.key(owner)
        try:
            # redis-py types these as of both its clients.
            request: Any = redis.smembers(key) if self.as_set else redis.lrange(key, 0, -1)
            cached = await cast("Awaitable[Any]", request)
        except RedisError as error:
            log.warning("cache.read_failed", list=self.pattern, error=type(error).__name__)
            return await self._query(runner, owner)
        if cached:
            return [UUID(member.decode()) for member in cached if member != _EMPTY]
        ids = await self._query(runner, owner)
        await self._store(redis, key, ids)
        return ids

    async def invalidate(self, redis: Redis, *owners: Owner) -> None:
        """Remove the cached lists of these owners; after a failure of Redis, they expire within ``ttl_seconds``."""
        try:
            if owners:
                await redis.unlink(*(self.key(owner) for owner in owners))
        except RedisError as error:
            log.warning("cache.invalidation_failed", list=self.pattern, error=type(error).__name__)

    async def _query(self, runner: StatementRunner, owner: Owner) -> list[UUID]:
        return [row[0] for row in await self.ids.all(runner, **self.parameters(owner))]

    async def _store(self, redis: Redis, key: str, ids: list[UUID]) -> None:
        values = [str(cached_id).encode() for cached_id in ids] or [_EMPTY]
        try:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.unlink(key)
                if self.as_set:
                    pipe.sadd(key, *values)
                else:
                    pipe.rpush(key, *values)
                pipe.expire(key, self.ttl_seconds or DEFAULT_TTL_SECONDS)
                await pipe.execute()
        except RedisError as error:
            log.warning("cache.write_failed", list=self.pattern, error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[T]):
    """A value of any type that pydantic serializes, cached in Redis as JSON."""

    pattern: str
    """Key in Redis, with ``{}`` for the name of the value."""
    value_type: TypeAdapter[T]
    ttl_seconds: int

    async def get(self, redis: Redis, name: str, *, load: Callable[[], Awaitable[T]]) -> T:
        """Return the cached value, else the result of ``load``, whose errors are neither caught nor cached."""
        key = self.pattern.format(name)
        try:
            cached = await redis.get(key)
        except RedisError as error:
            log.warning("cache.read_failed", pattern=self.pattern, error=type(error).__name__)
            return await load()
        if cached is not None:
            try:
                return self.value_type.validate_json(cached)
            except ValidationError:
                # Written by another release.
                log.warning("cache.invalid", pattern=self.pattern)
        value = await load()
        try:
            await redis.set(key, self.value_type.dump_json(value), ex=self.ttl_seconds)
        except RedisError as error:
            log.warning("cache.write_failed", pattern=self.pattern, error=type(error).__name__)
        return value
