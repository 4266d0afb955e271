"""A person's notifications as they come (server-sent events), resumed after the last one that was seen."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi.sse import ServerSentEvent
from sqlalchemy import select

from transactional_api.access_changes import AccessChanges, wait_for_any
from transactional_api.auth import Viewer, speaks
from transactional_api.db.tables import Notification
from transactional_api.notifications.bell import Bells
from transactional_api.notifications.schemas import NotificationOut
from transactional_api.paging import Cursor, PageRequest
from transactional_api.resources import Resources
from transactional_api.users import queries as users

AT_ONCE = 100
LOOK_AGAIN_SECONDS = 10.0


async def stream(
    resources: Resources,
    bells: Bells,
    access_changes: AccessChanges,
    *,
    viewer: Viewer,
    after: Cursor | None,
    seconds: float,
) -> AsyncIterator[ServerSentEvent]:
    """Yield each notification after a place, the oldest first, and then new ones for so many seconds.

    Without a place it begins with what comes from now on; the first event says where that is. It ends at once with the
    viewer's session or account.
    """
    ends = time.monotonic() + seconds
    with bells.heard_by(viewer.id) as news, access_changes.of(viewer.id) as changed:
        if after is None:
            after = await _newest(resources, viewer)
            yield ServerSentEvent(event="begun", data={}, id=after.encode())
        while True:
            news.clear()
            changed.clear()
            if not await _may_go_on(resources, viewer):
                return
            new = await _after(resources, viewer, after)
            for one in new:
                after = Cursor(one.created_at, one.id)
                yield ServerSentEvent(event="notification", data=one, id=after.encode())
            left = ends - time.monotonic()
            if left <= 0:
                return
            if len(new) < AT_ONCE:
                await wait_for_any(news, changed, seconds=min(left, LOOK_AGAIN_SECONDS))


async def _may_go_on(resources: Resources, viewer: Viewer) -> bool:
    async with resources.transaction() as session:
        return bool(await session.scalar(select(speaks(viewer))))


async def _newest(resources: Resources, viewer: Viewer) -> Cursor:
    newest = (
        select(Notification.created_at, Notification.id)
        .where(Notification.user_id == viewer.id)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(1)
    )
    async with resources.transaction() as session:
        row = (await session.execute(newest)).one_or_none()
    return Cursor(*row) if row else Cursor.first()


async def _after(resources: Resources, viewer: Viewer, place: Cursor) -> list[NotificationOut]:
    statement = select(Notification).where(
        Notification.user_id == viewer.id, users.not_blocked(viewer, Notification.actor_id)
    )
    page = PageRequest(limit=AT_ONCE - 1, cursor=place)
    asked = page.select(statement, at=Notification.created_at, row_id=Notification.id, newest_first=False)
    async with resources.transaction() as session:
        return [NotificationOut.model_validate(row, from_attributes=True) for row in await session.scalars(asked)]
