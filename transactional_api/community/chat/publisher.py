"""Publication of chat events to the sockets of every API process, after the commit.

A lost message loses no event: sockets read PostgreSQL by event number, and poll at an interval.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from redis.asyncio import Redis

from transactional_api.community.chat.schemas import ChatEventOut
from transactional_api.core.db.session import UnitOfWork, after_commit
from transactional_api.core.pubsub import publish


def channel_name(conversation_id: UUID) -> str:
    """Return the Redis channel of a conversation."""
    return f"chat:{conversation_id}"


class LocalDelivery(Protocol):
    """Delivery to the sockets of this process."""

    def deliver(self, conversation_id: UUID, event: ChatEventOut) -> None:
        """Deliver a committed event to the connections of its conversation."""


@dataclass(frozen=True, slots=True)
class ChatPublisher:
    """Publishes to the sockets of this process directly, and to other processes through Redis."""

    redis: Redis
    local: LocalDelivery

    def publish_after_commit(
        self,
        unit: UnitOfWork,
        conversation_id: UUID,
        frame: dict[str, Any] | None = None,
        *,
        hidden_from: Collection[UUID] = (),
    ) -> None:
        """Publish ``frame``, or that there are new events, once the transaction of ``unit`` commits."""

        async def send() -> None:
            await self.publish(conversation_id, frame or {"type": "events"}, hidden_from=hidden_from)

        after_commit(unit, send)

    def publish_event(self, unit: UnitOfWork, conversation_id: UUID, event: ChatEventOut) -> None:
        """Deliver an event to the sockets of this process and announce it to others, once the transaction commits."""

        async def send() -> None:
            self.local.deliver(conversation_id, event)
            await self.publish(conversation_id, {"type": "events", "up_to": event.event_id})

        after_commit(unit, send)

    async def publish(
        self, conversation_id: UUID, frame: dict[str, Any], *, hidden_from: Collection[UUID] = ()
    ) -> None:
        """Publish an unnumbered frame, such as typing, to current connections except those of some users."""
        message = frame | {"hidden_from": sorted(map(str, hidden_from))}
        await publish(self.redis, channel_name(conversation_id), message)
