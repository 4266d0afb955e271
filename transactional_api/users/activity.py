"""When each of a person's sessions was last used: in Redis, since every request moves it.

PostgreSQL knows it to the last refresh, which is as far back as an access token lives; that is the answer where Redis
has none.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger

KEPT_SECONDS = 3_600

log = get_logger(__name__)


def session_key(user_id: UUID) -> str:
    """Return the key of a hash: second since 1970 by session."""
    return f"user:session:{user_id}"


async def last_uses(redis: Redis, *, user_id: UUID) -> dict[UUID, datetime]:
    """Return when the sessions were last used that were used within the hour; nothing where Redis does not answer."""
    try:
        # redis-py types this as of both its clients.
        asked: Any = redis.hgetall(session_key(user_id))
        found = await cast("Awaitable[dict[bytes, bytes]]", asked)
    except RedisError as error:
        log.warning("sessions.activity_unknown", error=type(error).__name__)
        return {}
    return {UUID(one.decode()): datetime.fromtimestamp(int(at), tz=UTC) for one, at in found.items()}
