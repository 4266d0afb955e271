"""Unread notifications: a cached list of ids, invalidated when a notification arrives or is read.

Readers of the cached ids apply ``unread_of`` again, because a block or a deletion does not invalidate the list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.community.notifications.checks import IS_READ, LISTED
from transactional_api.core.cache import OWNER, CachedIdList
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.core.db.session import after_commit
from transactional_api.core.db.tables import Notification
from transactional_api.core.pubsub import UserSignals, open_subscriber, publish
from transactional_api.core.viewer import Viewer

CHANNEL = "notifications"
MAX_CACHED = 500
"""Length of the cached list; larger numbers are counted in PostgreSQL."""


def unread_of(viewer: Viewer) -> ColumnElement[bool]:
    """Whether a notification is the viewer's, is unread, and is about something that they may see now."""
    return and_(Notification.user_id == viewer.id, ~IS_READ, LISTED)


UNREAD = CachedIdList.of(
    "user:{}:notifications",
    select(Notification.id)
    .where(unread_of(replace(VIEWER_PLACEHOLDER, id=OWNER)))
    .order_by(Notification.created_at.desc(), Notification.id.desc())
    .limit(MAX_CACHED),
)


def publish_new(session: AsyncSession, redis: Redis, user_ids: Collection[UUID]) -> None:
    """Invalidate the users' unread lists and wake their streams, once the session's transaction commits."""

    async def send() -> None:
        await UNREAD.invalidate(redis, *user_ids)
        await publish(redis, CHANNEL, [str(user_id) for user_id in user_ids])

    if user_ids:
        after_commit(session, send)


@asynccontextmanager
async def open_notification_signals(settings: Settings) -> AsyncIterator[UserSignals]:
    """Open signals that are set when a user has new notifications, in any process."""
    signals = UserSignals()

    def dispatch(_channel: str, user_ids: Any) -> None:
        for user_id in user_ids:
            signals.set(UUID(user_id))

    async with open_subscriber(settings.redis_url, CHANNEL, on_message=dispatch, on_subscribed=signals.set_all):
        yield signals
