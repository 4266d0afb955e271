"""Events for webhooks of third-party apps: a slice publishes one in its own transaction.

The dispatch job (``transactional_api.community.webhooks.delivery``) decides on recipients and checks permissions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import WebhookEndpoint
from transactional_api.core.jobs import queue


class WebhookEvent(StrEnum):
    """Types of events; each needs a scope of the app."""

    POST_CREATED = "post.created"
    COMMENT_CREATED = "comment.created"
    EVENT_CREATED = "event.created"
    EVENT_CHANGED = "event.changed"
    EVENT_CANCELLED = "event.cancelled"
    ITEM_CREATED = "item.created"
    NOTIFICATION_CREATED = "notification.created"


SCOPE_OF: Final = {
    WebhookEvent.POST_CREATED: "posts:read",
    WebhookEvent.COMMENT_CREATED: "posts:read",
    WebhookEvent.EVENT_CREATED: "events:read",
    WebhookEvent.EVENT_CHANGED: "events:read",
    WebhookEvent.EVENT_CANCELLED: "events:read",
    WebhookEvent.ITEM_CREATED: "marketplace:read",
    WebhookEvent.NOTIFICATION_CREATED: "notifications:read",
}
"""Scope that the granting user gave the app, by event type."""
DISPATCH = queue.JobReference("webhooks.dispatch", priority=queue.Priority.NOTICE)
"""Creates the deliveries of events."""


async def publish(session: AsyncSession, event: WebhookEvent, subject_ids: Sequence[UUID]) -> None:
    """Queue the deliveries when the session's transaction commits, if any endpoint has chosen the event."""
    chosen = select(literal(1)).where(
        WebhookEndpoint.is_enabled.is_(True), WebhookEndpoint.event_types.contains([event.value])
    )
    if subject_ids and await session.scalar(chosen.limit(1)):
        # An id for each event, so that a job that runs twice creates each delivery once.
        events = [[str(uuid4()), str(subject_id)] for subject_id in subject_ids]
        occurred_at = datetime.now(UTC).isoformat()
        await queue.defer(session, DISPATCH, event=event.value, events=events, occurred_at=occurred_at)
