"""State of the outbox: events that wait for the relay, and messages that Kafka rejected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.errors import NotFoundError

COUNTED: Final = 200_000
"""Events that are counted at most; a larger outbox is reported as this many."""
_WAITING: Final = text(
    "SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 "
    "FROM (SELECT created_at FROM cdc_outbox WHERE rejected IS NULL ORDER BY id LIMIT :counted) AS waiting"
)
_REJECTED: Final = text(
    "SELECT id, topic, rejected, created_at FROM cdc_outbox WHERE rejected IS NOT NULL ORDER BY id LIMIT :limit"
)
_COUNT_REJECTED: Final = text("SELECT count(*) FROM cdc_outbox WHERE rejected IS NOT NULL")
_RELEASE: Final = text("UPDATE cdc_outbox SET rejected = NULL WHERE id = :id AND rejected IS NOT NULL RETURNING id")


@dataclass(frozen=True, slots=True)
class OutboxState:
    """Number of waiting events, age of the oldest in seconds (None without one), and number of rejected messages."""

    waiting: int
    oldest_seconds: float | None
    rejected: int


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """Message that Kafka rejected; its content stays in the outbox."""

    id: int
    topic: str
    reason: str
    created_at: datetime


async def outbox_state(session: AsyncSession) -> OutboxState:
    """Return the state of the outbox."""
    waiting, oldest = (await session.execute(_WAITING, {"counted": COUNTED})).one()
    return OutboxState(waiting, oldest, await session.scalar(_COUNT_REJECTED) or 0)


async def rejected_messages(session: AsyncSession, *, limit: int) -> list[RejectedMessage]:
    """Return the oldest rejected messages."""
    return [RejectedMessage(*row) for row in (await session.execute(_REJECTED, {"limit": limit})).all()]


async def publish_again(session: AsyncSession, *, message_id: int) -> None:
    """Let the relay publish a rejected message again; raises ``NotFoundError`` for any other message."""
    if await session.scalar(_RELEASE, {"id": message_id}) is None:
        raise NotFoundError
