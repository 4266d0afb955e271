"""How much one person may ask of one endpoint: a sliding window in Redis, shared by every process.

Redis away means no limit: answering somebody too much is better than answering nobody. What is guessed at, such as
passwords, has limits of its own that fail the other way (``users.throttle``).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.errors import RateLimitedError

HEADERS = "neighborconnect.rate_limit_headers"
READS = frozenset({"GET", "HEAD"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of reads and of writes, by person and endpoint."""

    limiter: SlidingWindowCounterRateLimiter
    reads: RateLimitItem
    writes: RateLimitItem

    async def count(self, request: Request, user_id: UUID) -> None:
        """Count a request, and leave what is left for the answer's headers.

        Raises:
            RateLimitedError: when nothing is left; says when to come again.
        """
        limit = self.reads if request.method in READS else self.writes
        endpoint = f"{request.method} {getattr(request.scope.get('route'), 'path', '')}"
        try:
            allowed = await self.limiter.hit(limit, str(user_id), endpoint)
            stats = await self.limiter.get_window_stats(limit, str(user_id), endpoint)
        except RedisError as error:
            log.warning("rate_limits.unknown", error=type(error).__name__)
            return
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        headers = {
            "RateLimit-Limit": str(limit.amount),
            "RateLimit-Remaining": str(max(0, stats.remaining)),
            "RateLimit-Reset": str(reset),
        }
        request.scope[HEADERS] = headers
        if not allowed:
            raise RateLimitedError(headers={"Retry-After": str(reset)})


def open_rate_limits(settings: Settings, redis: Redis) -> RateLimits:
    """Return the limits that ``settings`` name, over the connections of ``redis``."""
    # Its options are typed as of the URL's words, and passed on to the client as they are.
    storage = RedisStorage(
        f"async+{settings.redis_url}",
        implementation="redispy",
        key_prefix="rate",
        connection_pool=redis.connection_pool,  # type: ignore[arg-type]
    )
    limiter = SlidingWindowCounterRateLimiter(storage)
    return RateLimits(limiter, parse(settings.rate_limit_reads), parse(settings.rate_limit_writes))
