"""Time of the last use of each session, stored in Redis because every request updates it.

PostgreSQL stores the time of the last refresh, at most the lifetime of an access token earlier, as the fallback.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger

TTL_SECONDS = 3_600

log = get_logger(__name__)


def session_key(user_id: UUID) -> str:
    """Return the key of the hash from session id to Unix time."""
    return f"user:session:{user_id}"


async def last_uses(redis: Redis, *, user_id: UUID) -> dict[UUID, datetime]:
    """Return the last use of each session used within the hour; empty if Redis does not respond."""
    try:
        # redis-py types this for both of its clients.
        request: Any = redis.hgetall(session_key(user_id))
        last_uses_by_id = await cast("Awaitable[dict[bytes, bytes]]", request)
    except RedisError as error:
        log.warning("sessions.activity_unknown", error=type(error).__name__)
        return {}
    return {
        UUID(session_id.decode()): datetime.fromtimestamp(int(used_at), tz=UTC)
        for session_id, used_at in last_uses_by_id.items()
    }
