"""How often one account may be tried from one address."""

from __future__ import annotations

import hashlib
import math
import time
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from transactional_api.errors import Problem, UnavailableError

ATTEMPTS = 10
WINDOW_SECONDS = 300

# One step, so that attempts at the same moment cannot all see the last free place.
_TAKE_PLACE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return false
"""


class TooManyAttemptsError(Problem):
    """The account was tried too often from this address."""

    status, code, title = 429, "too_many_attempts", "Too many attempts; wait before the next one"

    def __init__(self, retry_after_seconds: int = WINDOW_SECONDS) -> None:
        super().__init__(headers={"Retry-After": str(retry_after_seconds)})


def _key(account: str, address: str) -> str:
    # Hashed, so that Redis holds no list of e-mail addresses.
    return "login:attempts:" + hashlib.sha256(f"{account}\n{address}".encode()).hexdigest()


async def count_attempt(redis: Redis, *, account: str, address: str) -> None:
    """Count one attempt in a window that slides.

    Raises:
        TooManyAttemptsError: when the window is full; says when its oldest attempt leaves it.
        UnavailableError: when Redis does not answer, since guessing without a limit is worse than waiting.
    """
    now = time.time()
    try:
        # redis-py types this as of both its clients.
        asked: Any = redis.eval(
            _TAKE_PLACE, 1, _key(account, address), repr(now), str(WINDOW_SECONDS), str(ATTEMPTS), uuid4().hex
        )
        oldest = await asked
    except RedisError:
        raise UnavailableError from None
    if oldest is not None:
        raise TooManyAttemptsError(max(1, math.ceil(float(oldest) + WINDOW_SECONDS - now)))


async def forget_attempts(redis: Redis, *, account: str, address: str) -> None:
    """Begin anew after a success."""
    try:
        await redis.delete(_key(account, address))
    except RedisError:
        raise UnavailableError from None
