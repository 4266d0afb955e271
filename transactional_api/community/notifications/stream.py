"""Live notifications of a user as server-sent events, resumed after the last received one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi.sse import ServerSentEvent
from sqlalchemy import select

from neighborconnect.localization import Language
from transactional_api.community.notifications import rendering
from transactional_api.community.notifications.schemas import NotificationOut
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Notification
from transactional_api.core.pagination import Cursor, PageRequest
from transactional_api.core.pubsub import PostgresSubscriber, UserSignals, wait_for_any
from transactional_api.core.viewer import Viewer, is_session_active

BATCH = 100
POLL_SECONDS = 10.0


async def stream(
    context: AppContext,
    signals: UserSignals,
    access_changes: PostgresSubscriber,
    *,
    viewer: Viewer,
    language: Language,
    after: Cursor | None,
    seconds: float,
) -> AsyncIterator[ServerSentEvent]:
    """Yield each notification after a cursor, oldest first, and then new ones, for up to ``seconds`` seconds.

    Without a cursor, the first event has the current position, and only later notifications follow. The stream ends
    with the viewer's session or account.
    """
    end_date = time.monotonic() + seconds
    with signals.subscribe(viewer.id) as has_new, access_changes.signals.subscribe(viewer.id) as changed:
        if after is None:
            after = await _newest(context, viewer)
            yield ServerSentEvent(event="started", data={}, id=after.encode())
        while True:
            has_new.clear()
            changed.clear()
            if not await _is_session_active(context, viewer):
                return
            new = await _after(context, viewer, after, language)
            for notification in new:
                after = Cursor(notification.created_at, notification.id)
                yield ServerSentEvent(event="notification", data=notification, id=after.encode())
            remaining = end_date - time.monotonic()
            if remaining <= 0:
                return
            if len(new) < BATCH:
                await wait_for_any(has_new, changed, seconds=min(remaining, POLL_SECONDS))


async def _is_session_active(context: AppContext, viewer: Viewer) -> bool:
    async with context.transaction() as session:
        return bool(await session.scalar(select(is_session_active(viewer))))


async def _newest(context: AppContext, viewer: Viewer) -> Cursor:
    newest = (
        select(Notification.created_at, Notification.id)
        .where(Notification.user_id == viewer.id)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(1)
    )
    async with context.transaction() as session:
        row = (await session.execute(newest)).one_or_none()
    return Cursor(*row) if row else Cursor.first()


async def _after(context: AppContext, viewer: Viewer, cursor: Cursor, language: Language) -> list[NotificationOut]:
    page = PageRequest(limit=BATCH - 1, cursor=cursor)
    statement = page.select(
        rendering.listed(viewer), at=Notification.created_at, row_id=Notification.id, newest_first=False
    )
    async with context.transaction() as session:
        return [rendering.render(row, language) for row in await session.execute(statement)]
