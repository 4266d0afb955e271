"""Attempt limits: how often a secret may be guessed, a letter asked for and an account opened.

Counts are moving windows in Redis, shared by every process. While Redis does not answer each process counts in its own
memory: guessing stays bounded, by the number of processes times the limit, and nobody is locked out.
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

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.breaker import BreakerOpenError, CircuitBreaker
from transactional_api.errors import Problem

REDIS_REST_SECONDS = 5.0

log = get_logger(__name__)


class TooManyAttemptsError(Problem):
    """Too many attempts were made at this, or from this network."""

    status, code, title = 429, "too_many_attempts", "Too many attempts; wait before the next one"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


class Rule(NamedTuple):
    """A named limit: every window must have room."""

    name: str
    windows: tuple[RateLimitItem, ...]


def rule(name: str, windows: str) -> Rule:
    """Return a rule of windows such as ``10/5 minutes;30/hour``."""
    return Rule(name, tuple(parse_many(windows)))


# The longer the guessing goes on, the slower it becomes: the windows add up to a back-off.
ACCOUNT = rule("account", "10/5 minutes;30/hour;100/day")
"""Passwords of one account, from all networks and devices that it does not know."""
DEVICE = rule("device", "10/5 minutes;50/hour;200/day")
"""Passwords of one account, from one network, device or session that it knows."""
CODES = rule("codes", "10/5 minutes;20/hour;50/day")
"""Codes of one account's second factor, recovery codes among them, after the right password."""
MAILBOX = rule("mailbox", "5/hour;10/day")
"""Letters that somebody who proved nothing may cause to one address."""


@dataclass(frozen=True, slots=True)
class _Counters:
    shared: MovingWindowRateLimiter
    local: MovingWindowRateLimiter
    redis: CircuitBreaker


class Throttle:
    """The counters, with the rules that settings name.

    ``failures`` and ``tokens`` are wrong passwords and wrong tokens of one network, whatever the account;
    ``registrations`` and ``letters`` are accounts that it opens and letters that it asks for.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        """Count over the connections of ``redis``."""
        self.failures = rule("failures", settings.rate_limit_failures)
        self.tokens = rule("tokens", settings.rate_limit_failures)
        self.registrations = rule("registrations", settings.rate_limit_registrations)
        self.letters = rule("letters", settings.rate_limit_letters)
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="attempts",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._counters = _Counters(
            MovingWindowRateLimiter(storage),
            MovingWindowRateLimiter(MemoryStorage()),
            CircuitBreaker(failures=1, rest_seconds=REDIS_REST_SECONDS),
        )

    async def count(self, limit: Rule, *key: object) -> None:
        """Count one attempt before its outcome is known, so that none of many at once slips through.

        Raises:
            TooManyAttemptsError: when a window is full; says when there is room again.
        """
        await self._each(limit, key, counts=True)

    async def admits(self, limit: Rule, *key: object) -> bool:
        """Count one attempt and return whether there was room for it."""
        try:
            await self.count(limit, *key)
        except TooManyAttemptsError:
            return False
        return True

    async def check(self, limit: Rule, *key: object) -> None:
        """Raise ``TooManyAttemptsError`` when a window is full; counts nothing."""
        await self._each(limit, key, counts=False)

    async def record(self, limit: Rule, *key: object) -> None:
        """Count an attempt that failed; a full window stays full."""
        for window in limit.windows:
            await self._ask("hit", window, limit.name, _digest(key))

    async def forget(self, limit: Rule, *key: object) -> None:
        """Empty the windows after a success."""
        for window in limit.windows:
            await self._ask("clear", window, limit.name, _digest(key))

    async def _each(self, limit: Rule, key: tuple[object, ...], *, counts: bool) -> None:
        for window in limit.windows:
            named = (limit.name, _digest(key))
            if not await self._ask("hit" if counts else "test", window, *named):
                stats = await self._ask("get_window_stats", window, *named)
                raise TooManyAttemptsError(max(1, math.ceil(stats.reset_time - time.time())))

    async def _ask(self, method: str, window: RateLimitItem, *named: str) -> Any:
        try:
            with self._counters.redis.call():
                return await getattr(self._counters.shared, method)(window, *named)
        except (RedisError, BreakerOpenError) as error:
            log.warning("attempts.counted_locally", error=type(error).__name__)
            return await getattr(self._counters.local, method)(window, *named)


def _digest(key: tuple[object, ...]) -> str:
    # Hashed, so that Redis holds no list of e-mail addresses.
    return hashlib.sha256("\n".join(str(part) for part in key).encode()).hexdigest()
