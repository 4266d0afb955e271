"""The connections to Redis that requests and jobs share: short timeouts behind a circuit breaker.

Redis holds what may be lost: caches, presence, counters. A Redis that does not answer must not slow every request
down, so a command gives up after half a second, and after three failures in a row commands fail at once; every
second one of them is let through to see whether Redis is back.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from neighborconnect.circuit_breaker import BreakerOpenError, CircuitBreaker
from neighborconnect.settings import Settings

MAX_CONNECTIONS = 32
TIMEOUT_SECONDS = 0.5
FAILURES_BEFORE_OPEN = 3
OPEN_SECONDS = 1.0

T = TypeVar("T")

_is_guarded: ContextVar[bool] = ContextVar("redis_call_is_guarded", default=False)


class BreakerRetry(Retry):
    """A retry policy of redis-py that never retries, and runs every connect and command under one circuit breaker."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        super().__init__(NoBackoff(), 0)
        self._breaker = breaker

    def __deepcopy__(self, memo: dict[int, Any]) -> BreakerRetry:
        """Return itself: redis-py copies the policy for each connection, and the breaker is one for all."""
        return self

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        """Run a connect or a command once.

        Raises:
            RedisConnectionError: at once while the breaker is open.
        """

        async def once() -> T:
            return await super(BreakerRetry, self).call_with_retry(do, fail, is_retryable, with_failure_count)

        if _is_guarded.get():  # A command that has to connect first is one call.
            return await once()
        token = _is_guarded.set(True)
        refusal: ResponseError | None = None
        try:
            with self._breaker.call():
                try:
                    return await once()
                except ResponseError as error:  # An answer, if not the one that was hoped for.
                    refusal = error
        except BreakerOpenError:
            raise RedisConnectionError("Redis failed repeatedly and is not asked for a moment") from None
        finally:
            _is_guarded.reset(token)
        raise refusal


def open_redis(settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> Redis:
    """Return a client of the API's Redis; the caller closes it."""
    breaker = CircuitBreaker(failures=FAILURES_BEFORE_OPEN, open_seconds=OPEN_SECONDS, clock=clock)
    return Redis.from_url(
        settings.redis_url,
        max_connections=MAX_CONNECTIONS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=BreakerRetry(breaker),
    )
