"""How much one person may ask of one endpoint: a sliding window in Redis, shared by every process.

Redis away means no limit: answering somebody too much is better than answering nobody. What is guessed at, such as
passwords, has limits of its own that fail the other way (``users.throttle``).
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
from transactional_api.errors import RateLimitedError
from transactional_api.users.activity import KEPT_SECONDS, session_key

HEADERS = "neighborconnect.rate_limit_headers"
READS = frozenset({"GET", "HEAD"})

# Every request counts, so it is one trip to Redis that counts, tells what is left and when there is more, and notes
# that the session is in use. The window slides: the window before counts for as much of it as is still within the
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
    """The limits of reads and of writes, by person and endpoint."""

    script: AsyncScript
    reads: RateLimitItem
    writes: RateLimitItem

    async def count(self, request: Request, user_id: UUID, session_id: UUID) -> None:
        """Count a request of a person's session, and leave what is left for the answer's headers.

        Raises:
            RateLimitedError: when nothing is left; says when to come again.
        """
        limit = self.reads if request.method in READS else self.writes
        key = f"rate:{user_id}:{request.method} {getattr(request.scope.get('route'), 'path', '')}"
        try:
            allowed, left, reset = await self.script(
                keys=[key, session_key(user_id)],
                args=[limit.amount, limit.get_expiry(), str(session_id), KEPT_SECONDS],
            )
        except RedisError as error:
            log.warning("rate_limits.unknown", error=type(error).__name__)
            return
        request.scope[HEADERS] = {
            "RateLimit-Limit": str(limit.amount),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(reset),
        }
        if not allowed:
            raise RateLimitedError(headers={"Retry-After": str(reset)})


def open_rate_limits(settings: Settings, redis: Redis) -> RateLimits:
    """Return the limits that ``settings`` name, over the connections of ``redis``."""
    return RateLimits(
        redis.register_script(_COUNT), parse(settings.rate_limit_reads), parse(settings.rate_limit_writes)
    )
