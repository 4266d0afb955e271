"""Attempt limits: guesses of a secret, requests for emails, registrations.

Moving windows in Redis, shared by every process. While Redis is unavailable, each process counts in memory: guessing is
then limited to the number of processes times the limit, and nobody is locked out.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.circuit_breaker import BreakerOpenError, CircuitBreaker
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.core.errors import Problem

REDIS_RETRY_SECONDS = 5.0

log = get_logger(__name__)


class TooManyAttemptsError(Problem):
    """Too many attempts on this resource or from this network."""

    status, code, title = 429, "too_many_attempts", "Too many attempts; wait before the next one"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


class Rule(NamedTuple):
    """A named limit; an attempt must be within every window."""

    name: str
    windows: tuple[RateLimitItem, ...]


def rule(name: str, windows: str) -> Rule:
    """Return a rule of windows such as ``10/5 minutes;30/hour``."""
    return Rule(name, tuple(parse_many(windows)))


# The windows combine to a back-off: the longer an attack lasts, the slower it gets.
ACCOUNT = rule("account", "10/5 minutes;30/hour;100/day")
"""Password attempts on one account from unknown networks and devices."""
DEVICE = rule("device", "10/5 minutes;50/hour;200/day")
"""Password attempts on one account from one known network, device or session."""
CODES = rule("codes", "10/5 minutes;20/hour;50/day")
"""Second factor and recovery code attempts on one account, after the correct password."""
MAILBOX = rule("mailbox", "5/hour;10/day")
"""Emails to one address that unauthenticated callers may trigger."""
USERNAMES = rule("usernames", "60/minute;600/hour")
"""Usernames whose availability one network may ask for."""
UNSUBSCRIBE = rule("unsubscribe", "30/hour")
"""Unsubscribe links of one user that may be opened."""


@dataclass(frozen=True, slots=True)
class _Counters:
    shared: MovingWindowRateLimiter
    local: MovingWindowRateLimiter
    redis: CircuitBreaker


class Throttle:
    """Counters of the limits, including the rules from settings.

    ``failures`` and ``tokens`` count wrong passwords and wrong tokens per network, across accounts;
    ``registrations`` and ``emails`` count registrations and requested emails per network.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        """Use the connection pool of ``redis``."""
        self.failures = rule("failures", settings.rate_limit_failures)
        self.tokens = rule("tokens", settings.rate_limit_failures)
        self.registrations = rule("registrations", settings.rate_limit_registrations)
        self.emails = rule("emails", settings.rate_limit_letters)
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="attempts",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._counters = _Counters(
            MovingWindowRateLimiter(storage),
            MovingWindowRateLimiter(MemoryStorage()),
            CircuitBreaker(failures=1, open_seconds=REDIS_RETRY_SECONDS),
        )

    async def count(self, limit: Rule, *key: object) -> None:
        """Count one attempt before its outcome is known, so that concurrent attempts cannot exceed the limit.

        Raises:
            TooManyAttemptsError: when a window is full, with ``Retry-After``.
        """
        await self._check_windows(limit, key, counts=True)

    async def try_count(self, limit: Rule, *key: object) -> bool:
        """Count one attempt; return whether it is within the limit."""
        try:
            await self.count(limit, *key)
        except TooManyAttemptsError:
            return False
        return True

    async def check(self, limit: Rule, *key: object) -> None:
        """Raise ``TooManyAttemptsError`` when a window is full, without counting."""
        await self._check_windows(limit, key, counts=False)

    async def record(self, limit: Rule, *key: object) -> None:
        """Count a failed attempt."""
        for window in limit.windows:
            await self._call("hit", window, limit.name, _digest(key))

    async def clear(self, limit: Rule, *key: object) -> None:
        """Reset the windows after a success."""
        for window in limit.windows:
            await self._call("clear", window, limit.name, _digest(key))

    async def _check_windows(self, limit: Rule, key: tuple[object, ...], *, counts: bool) -> None:
        for window in limit.windows:
            named = (limit.name, _digest(key))
            if not await self._call("hit" if counts else "test", window, *named):
                stats = await self._call("get_window_stats", window, *named)
                raise TooManyAttemptsError(max(1, math.ceil(stats.reset_time - time.time())))

    async def _call(self, method: str, window: RateLimitItem, *named: str) -> Any:
        try:
            with self._counters.redis.call():
                return await getattr(self._counters.shared, method)(window, *named)
        except (RedisError, BreakerOpenError) as error:
            log.warning("attempts.counted_locally", error=type(error).__name__)
            return await getattr(self._counters.local, method)(window, *named)


def _digest(key: tuple[object, ...]) -> str:
    # Hashed, so that Redis contains no email addresses.
    return hashlib.sha256("\n".join(str(part) for part in key).encode()).hexdigest()
