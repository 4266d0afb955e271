"""Fan-out of a notice to the notifications of its recipients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, literal, or_, select
from sqlalchemy import true as sql_true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.community.notifications import emails, push, quiet_hours
from transactional_api.community.notifications.checks import IS_READ, VISIBLE
from transactional_api.community.notifications.unread import publish_new
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import (
    ChatMessage,
    ConnectorMember,
    ConversationMember,
    DeliverySchedule,
    Notification,
    NotificationPreference,
    PushDevice,
    User,
)
from transactional_api.core.jobs import queue
from transactional_api.core.notices import (
    COLLAPSED,
    DELIVER,
    NOTIFY_OF_MESSAGE,
    Channel,
    Notice,
    NoticeKind,
    wanted_by_default,
)
from transactional_api.core.webhooks import WebhookEvent, publish

# Recipients per transaction; small, so that its locks are held for a short time.
BATCH = 1_000
MESSAGE_DELAY = timedelta(seconds=5)
"""Delay of pushes and emails about messages, which are not sent if the message was read meanwhile."""

log = get_logger(__name__)


@queue.handler(DELIVER)
async def deliver(context: AppContext, *, notice: dict[str, Any]) -> None:
    """Deliver a notice to its recipients."""
    await fan_out(context, notice=notice)


@queue.handler(NOTIFY_OF_MESSAGE)
async def notify_of_message(context: AppContext, *, conversation_id: str, author_id: str) -> None:
    """Notify the other members of a conversation, except those who have read the message."""
    other_members = select(ConversationMember.user_id).where(
        ConversationMember.conversation_id == UUID(conversation_id), ConversationMember.user_id != UUID(author_id)
    )
    async with context.transaction() as session:
        user_ids = list(await session.scalars(other_members))
    notice = Notice(
        # One notification per conversation: the next message replaces it.
        id=UUID(conversation_id),
        kind=NoticeKind.MESSAGE_CREATED,
        actor_id=UUID(author_id),
        subject_kind="conversation",
        subject_id=UUID(conversation_id),
        user_ids=user_ids,
    )
    if user_ids:
        await fan_out(context, notice=notice.model_dump(mode="json"))


async def fan_out(context: AppContext, *, notice: Mapping[str, Any]) -> None:
    """Write a notification for each recipient who may see it, and queue emails and pushes; idempotent."""
    after, notified_count = UUID(int=0), 0
    while True:
        async with context.transaction() as session:
            people = (await session.execute(_recipients(notice, after=after))).all()
            if not people:
                break
            written = await _write(session, notice=notice, people=[row.id for row in people])
            for row in people:
                if row.id in written and written[row.id].is_new:
                    await _queue(session, notice=notice, person=row, notification_id=written[row.id].id)
            new_ids = [one.id for one in written.values() if one.is_new]
            await publish(session, WebhookEvent.NOTIFICATION_CREATED, new_ids)
            publish_new(session, context.redis, written)
        after, notified_count = people[-1].id, notified_count + len(written)
    log.info("notice.delivered", kind=notice["kind"], recipients=notified_count)


async def _queue(session: AsyncSession, *, notice: Mapping[str, Any], person: Any, notification_id: UUID) -> None:
    """Queue an email and a push where enabled, at the end of the recipient's quiet hours.

    The jobs contain no text: it is rendered when it is sent, if the recipient may still see it.
    """
    now = datetime.now(UTC)
    at = quiet_hours.end_of_quiet(person, now=now)
    if at is None and notice["kind"] in COLLAPSED:
        at = now + MESSAGE_DELAY
    arguments: dict[str, Any] = {"user_id": str(person.id), "notification_id": str(notification_id)}
    if person.by_email and person.digest_hour is None:
        await queue.defer(session, emails.send_email, at=at, **arguments)
    if person.by_push and person.has_device:
        await queue.defer(session, push.send, at=at, **arguments)


@dataclass(frozen=True, slots=True)
class _Written:
    """Notification that was written: new, or an unread one that moved to the top."""

    id: UUID
    is_new: bool


async def _write(session: AsyncSession, *, notice: Mapping[str, Any], people: list[UUID]) -> dict[UUID, _Written]:
    """Upsert the notifications of a notice, and return those that their recipients may see, by recipient."""
    row = {
        "notice_id": UUID(notice["id"]),
        "kind": notice["kind"],
        "actor_id": _uuid(notice["actor_id"]),
        "subject_kind": notice["subject_kind"],
        "subject_id": UUID(notice["subject_id"]),
        "source_kind": notice.get("source_kind"),
        "source_id": _uuid(notice.get("source_id")),
        "title": notice["title"],
        "body": notice["body"],
    }
    waiting: set[UUID] = set()
    new = insert(Notification).values([row | {"user_id": user_id} for user_id in people])
    if notice["kind"] in COLLAPSED:
        waiting = await _waiting(session, notice_id=row["notice_id"], people=people)
        again = {"actor_id": row["actor_id"], "created_at": func.now(), "read_at": None}
        new = new.on_conflict_do_update(index_elements=["user_id", "notice_id"], set_=again)
    else:
        # A notification that is no longer visible, such as of a deleted comment, does not suppress the next one.
        again = row | {"created_at": func.now(), "read_at": None}
        new = new.on_conflict_do_update(
            index_elements=["user_id", "notice_id"], set_=again, where=VISIBLE.is_not(sql_true())
        )
    inserted = (await session.execute(new.returning(Notification.user_id, Notification.id))).all()
    invisible = delete(Notification).where(
        Notification.id.in_([row.id for row in inserted]), VISIBLE.is_not(sql_true()) | IS_READ
    )
    deleted = set(
        await session.scalars(invisible.returning(Notification.id).execution_options(synchronize_session=False))
    )
    return {
        row.user_id: _Written(row.id, is_new=row.user_id not in waiting) for row in inserted if row.id not in deleted
    }


async def _waiting(session: AsyncSession, *, notice_id: UUID, people: list[UUID]) -> set[UUID]:
    """Return the users whose earlier notification is still unread."""
    read = select(ConversationMember.id).where(
        ConversationMember.conversation_id == Notification.subject_id,
        ConversationMember.user_id == Notification.user_id,
    )
    missed = select(ChatMessage.id).where(
        ChatMessage.conversation_id == Notification.subject_id,
        ChatMessage.created_at <= Notification.created_at,
        ChatMessage.event_id > ConversationMember.read_up_to,
        ChatMessage.author_id != Notification.user_id,
    )
    unread = read.where(missed.correlate(Notification, ConversationMember).exists()).correlate(Notification).exists()
    statement = select(Notification.user_id).where(
        Notification.user_id.in_(people), Notification.notice_id == notice_id, Notification.read_at.is_(None), unread
    )
    return set(await session.scalars(statement))


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _recipients(notice: Mapping[str, Any], *, after: UUID) -> Select[Any]:
    """Select the next recipients by id: addressed, active, not the actor, and with the kind enabled in the app."""
    named = User.id.in_([UUID(person) for person in notice["user_ids"]])
    addressed: ColumnElement[bool] = named
    if notice["everyone"]:
        addressed = sql_true()
    elif notice["connector_id"]:
        member = exists().where(
            ConnectorMember.connector_id == UUID(notice["connector_id"]), ConnectorMember.user_id == User.id
        )
        addressed = or_(named, member.correlate(User))
    statement = (
        select(
            User.id,
            _is_enabled(User.id, notice["kind"], Channel.EMAIL).label("by_email"),
            _is_enabled(User.id, notice["kind"], Channel.PUSH).label("by_push"),
            exists().where(PushDevice.user_id == User.id).correlate(User).label("has_device"),
            DeliverySchedule.time_zone,
            DeliverySchedule.quiet_from,
            DeliverySchedule.quiet_until,
            DeliverySchedule.digest_hour,
        )
        .outerjoin(DeliverySchedule, DeliverySchedule.user_id == User.id)
        .where(User.id > after, User.is_active.is_(True), addressed)
        .where(_is_enabled(User.id, notice["kind"], Channel.IN_APP))
        .order_by(User.id)
        .limit(BATCH)
    )
    if notice["actor_id"]:
        statement = statement.where(User.id != UUID(notice["actor_id"]))
    return statement


def _is_enabled(person: Any, kind: str, channel: Channel) -> ColumnElement[bool]:
    preference = (
        select(NotificationPreference.is_enabled)
        .where(
            NotificationPreference.user_id == person,
            NotificationPreference.kind == kind,
            NotificationPreference.channel == channel.value,
        )
        .scalar_subquery()
    )
    return func.coalesce(preference, literal(wanted_by_default(NoticeKind(kind), channel)))
