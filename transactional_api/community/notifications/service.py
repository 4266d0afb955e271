"""The viewer's notifications and preferences, and announcements of the platform."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import ColumnElement, any_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.localization import Language
from transactional_api.community.chat.queries import unread_conversation_count
from transactional_api.community.notifications import checks, groups, rendering
from transactional_api.community.notifications.schemas import (
    Announcement,
    AnnouncementReceipt,
    MarkRead,
    NotificationOut,
    Preference,
    Preferences,
    UnreadCount,
    UnreadTotals,
)
from transactional_api.community.notifications.unread import MAX_CACHED, UNREAD, unread_of
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.session import after_commit
from transactional_api.core.db.statements import CompiledStatement, SessionRunner, StatementRunner
from transactional_api.core.db.tables import Notification, NotificationPreference
from transactional_api.core.errors import ForbiddenError
from transactional_api.core.notices import GROUPED, Channel, Notice, NoticeKind, notify, wanted_by_default
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer

_STILL_UNREAD = CompiledStatement(
    select(func.count().label("number"))
    .select_from(Notification)
    .where(Notification.id == any_(IDS), unread_of(VIEWER_PLACEHOLDER))
)
_ALL_UNREAD = CompiledStatement(
    select(func.count().label("number")).select_from(Notification).where(unread_of(VIEWER_PLACEHOLDER))
)
_UNREAD_CONVERSATIONS = CompiledStatement(unread_conversation_count(VIEWER_PLACEHOLDER))


async def list_notifications(
    session: AsyncSession, *, viewer: Viewer, language: Language, page: PageRequest, unread_only: bool
) -> Page[NotificationOut]:
    """List the viewer's visible notifications, newest first, rendered from their current subjects."""
    statement = rendering.listed(viewer)
    if unread_only:
        statement = statement.where(~checks.IS_READ)
    paged = page.select(statement, at=Notification.created_at, row_id=Notification.id)
    return page.of((await session.execute(paged)).all(), lambda row: rendering.render(row, language))


async def count_unread(runner: StatementRunner, redis: Redis, *, viewer: Viewer) -> UnreadCount:
    """Count the viewer's unread notifications; a hot path, since every open page polls it."""
    ids = await UNREAD.get(runner, redis, owner=viewer.id)
    if not ids:
        return UnreadCount(unread_count=0)
    if len(ids) >= MAX_CACHED:
        return await _count(runner, viewer=viewer)
    # The cached ids may be some seconds old: notifications read or hidden since do not count.
    row = await _STILL_UNREAD.one_or_none(runner, viewer_id=viewer.id, ids=ids)
    return UnreadCount(unread_count=row.number)


async def _count(runner: StatementRunner, *, viewer: Viewer) -> UnreadCount:
    row = await _ALL_UNREAD.one_or_none(runner, viewer_id=viewer.id)
    return UnreadCount(unread_count=row.number)


async def unread_totals(runner: StatementRunner, redis: Redis, *, viewer: Viewer) -> UnreadTotals:
    """Count the viewer's unread notifications and the conversations in which they have unread messages."""
    notifications = await count_unread(runner, redis, viewer=viewer)
    conversations = await _UNREAD_CONVERSATIONS.one_or_none(runner, viewer_id=viewer.id)
    return UnreadTotals(
        unread_notification_count=notifications.unread_count, unread_conversation_count=conversations.number
    )


async def mark_read(session: AsyncSession, redis: Redis, *, viewer: Viewer, body: MarkRead) -> UnreadCount:
    """Mark the given or all notifications of the viewer as read; ids of other users are ignored."""
    statement = update(Notification).where(Notification.user_id == viewer.id, Notification.read_at.is_(None))
    if body.notification_ids is not None or body.group_ids is not None:
        marked = _with_their_groups(viewer, body.notification_ids or [])
        statement = statement.where(or_(marked, groups.is_in_groups(viewer, body.group_ids or [])))
    await session.execute(statement.values(read_at=func.now()).execution_options(synchronize_session=False))
    after_commit(session, partial(UNREAD.invalidate, redis, viewer.id))
    return await _count(SessionRunner(session), viewer=viewer)


def _with_their_groups(viewer: Viewer, notification_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Condition: the notification is one of these, or an earlier one of the same group."""
    shown = aliased(Notification, name="shown")
    grouped = exists().where(
        shown.id.in_(notification_ids),
        shown.user_id == viewer.id,
        shown.kind.in_([kind.value for kind in sorted(GROUPED)]),
        shown.kind == Notification.kind,
        shown.subject_id == Notification.subject_id,
        shown.source_id.is_not_distinct_from(Notification.source_id),
        shown.created_at >= Notification.created_at,
    )
    return or_(Notification.id.in_(notification_ids), grouped.correlate(Notification))


async def preferences(session: AsyncSession, *, viewer: Viewer) -> Preferences:
    """Return the preference of every kind and channel, by default where the viewer set none."""
    rows = await session.scalars(select(NotificationPreference).where(NotificationPreference.user_id == viewer.id))
    stored = {(row.kind, row.channel): row.is_enabled for row in rows}
    return Preferences(
        preferences=[
            Preference(kind=kind, channel=channel, wanted=stored.get((kind, channel), wanted_by_default(kind, channel)))
            for kind in NoticeKind
            for channel in Channel
        ]
    )


async def update_preferences(session: AsyncSession, *, viewer: Viewer, changes: Preferences) -> Preferences:
    """Update the given preferences and return all; of duplicates, the last one applies."""
    enabled = {(change.kind.value, change.channel.value): change.wanted for change in changes.preferences}
    if enabled:
        statement = insert(NotificationPreference).values(
            [
                {"user_id": viewer.id, "kind": kind, "channel": channel, "is_enabled": value}
                for (kind, channel), value in sorted(enabled.items())
            ]
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "kind", "channel"], set_={"is_enabled": statement.excluded.is_enabled}
            )
        )
    return await preferences(session, viewer=viewer)


async def announce(session: AsyncSession, *, viewer: Viewer, body: Announcement) -> AnnouncementReceipt:
    """Notify the given users, a connector's members, or everyone.

    Raises:
        ForbiddenError: when the viewer is not an admin of the platform.
    """
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may send announcements")
    # The sender is not the actor: muting an admin does not hide announcements.
    notice_id = uuid4()
    notice = Notice(
        id=notice_id,
        kind=NoticeKind.PLATFORM_ANNOUNCED,
        subject_kind="announcement",
        subject_id=notice_id,
        title=body.title,
        body=body.body,
        user_ids=body.user_ids,
        connector_id=body.connector_id,
        everyone=body.everyone,
    )
    await notify(session, notice)
    return AnnouncementReceipt(notice_id=notice_id)
