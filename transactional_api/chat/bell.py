"""Telling every API process that something happened in a conversation, through Redis and after the commit.

A bell that nobody hears loses nothing: whoever listens reads PostgreSQL by event number, and looks again now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.chat.schemas import ChatEventOut
from transactional_api.db.session import after_commit

log = get_logger(__name__)


def channel(conversation_id: UUID) -> str:
    """Return the Redis channel of a conversation."""
    return f"chat:{conversation_id}"


class Here(Protocol):
    """The sockets of this process."""

    def deliver(self, conversation_id: UUID, event: ChatEventOut) -> None:
        """Give a committed event to the sockets that listen to its conversation."""


@dataclass(frozen=True, slots=True)
class Bell:
    """Rings here, and in Redis for every other process; a Redis that does not answer is noted and does no harm."""

    redis: Redis
    here: Here

    def ring(self, session: AsyncSession, conversation_id: UUID, frame: dict[str, Any] | None = None) -> None:
        """Say, once the session's transaction is committed, that there are new events, or what ``frame`` says."""

        async def tell() -> None:
            await self.say(conversation_id, frame or {"type": "events"})

        after_commit(session, tell)

    def ring_for(self, session: AsyncSession, conversation_id: UUID, event: ChatEventOut) -> None:
        """Give this process's sockets an event once it is committed, and say that there is a new one."""

        async def tell() -> None:
            self.here.deliver(conversation_id, event)
            await self.say(conversation_id, {"type": "events", "up_to": event.event_id})

        after_commit(session, tell)

    async def say(self, conversation_id: UUID, frame: dict[str, Any]) -> None:
        """Tell what is not numbered, such as typing, to whoever listens now."""
        try:
            await self.redis.publish(channel(conversation_id), orjson.dumps(frame))
        except RedisError as error:
            log.warning("chat.bell_failed", error=type(error).__name__)
