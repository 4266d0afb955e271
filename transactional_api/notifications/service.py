"""A person's own notifications and preferences; nobody else's can be reached from here."""

from __future__ import annotations

from functools import partial

from redis.asyncio import Redis
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.session import after_commit
from transactional_api.db.tables import Notification, NotificationPreference
from transactional_api.notifications.channels import Channel, NoticeKind, wanted_by_default
from transactional_api.notifications.schemas import MarkRead, NotificationOut, Preference, Preferences, UnreadCount
from transactional_api.notifications.unread import COUNTED, UNREAD, unread_of
from transactional_api.paging import Page, PageRequest
from transactional_api.users import queries as users


async def list_own(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, unread_only: bool
) -> Page[NotificationOut]:
    """List the viewer's notifications, the newest first, without those of people blocked since."""
    statement = select(Notification).where(
        Notification.user_id == viewer.id, users.not_blocked(viewer, Notification.actor_id)
    )
    if unread_only:
        statement = statement.where(Notification.read_at.is_(None))
    rows = (await session.scalars(page.select(statement, at=Notification.created_at, row_id=Notification.id))).all()
    return page.of(rows, lambda row: NotificationOut.model_validate(row, from_attributes=True))


async def count_unread(session: AsyncSession, redis: Redis, *, viewer: Viewer) -> UnreadCount:
    """Count the viewer's unread notifications: every open page asks for it again and again."""
    unread = await UNREAD.read(session, redis, owner=viewer.id)
    return UnreadCount(unread=len(unread)) if len(unread) < COUNTED else await _count(session, viewer=viewer)


async def _count(session: AsyncSession, *, viewer: Viewer) -> UnreadCount:
    statement = select(func.count()).where(unread_of(viewer))
    return UnreadCount(unread=await session.scalar(statement) or 0)


async def mark_read(session: AsyncSession, redis: Redis, *, viewer: Viewer, asked: MarkRead) -> UnreadCount:
    """Mark the named ones of the viewer's as read, or all; the first time counts, and others' ids change nothing."""
    statement = update(Notification).where(Notification.user_id == viewer.id, Notification.read_at.is_(None))
    if asked.notification_ids is not None:
        statement = statement.where(Notification.id.in_(asked.notification_ids))
    await session.execute(statement.values(read_at=func.now()).execution_options(synchronize_session=False))
    after_commit(session, partial(UNREAD.drop, redis, viewer.id))
    return await _count(session, viewer=viewer)


async def preferences(session: AsyncSession, *, viewer: Viewer) -> Preferences:
    """Return every kind by every channel, as the viewer has said or by default."""
    rows = await session.scalars(select(NotificationPreference).where(NotificationPreference.user_id == viewer.id))
    said = {(row.kind, row.channel): row.wanted for row in rows}
    return Preferences(
        preferences=[
            Preference(kind=kind, channel=channel, wanted=said.get((kind, channel), wanted_by_default(kind, channel)))
            for kind in NoticeKind
            for channel in Channel
        ]
    )


async def prefer(session: AsyncSession, *, viewer: Viewer, changes: Preferences) -> Preferences:
    """Change what is named, and return all; of two that say the same kind and channel, the later one counts."""
    wanted = {(one.kind.value, one.channel.value): one.wanted for one in changes.preferences}
    if wanted:
        statement = insert(NotificationPreference).values(
            [
                {"user_id": viewer.id, "kind": kind, "channel": channel, "wanted": value}
                for (kind, channel), value in sorted(wanted.items())
            ]
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "kind", "channel"], set_={"wanted": statement.excluded.wanted}
            )
        )
    return await preferences(session, viewer=viewer)
