"""From one notice to the notifications of everyone whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import (
    Block,
    ConnectorMember,
    Mute,
    Notification,
    NotificationHours,
    NotificationPreference,
    PushDevice,
    User,
)
from transactional_api.jobs import queue
from transactional_api.mail import letters
from transactional_api.notifications import hours, push
from transactional_api.notifications.bell import ring
from transactional_api.notifications.channels import Channel, NoticeKind, wanted_by_default
from transactional_api.resources import Resources

# Rows a transaction: short enough that nobody waits for its locks.
BATCH = 1_000

log = get_logger(__name__)


async def fan_out(resources: Resources, *, notice: Mapping[str, Any]) -> None:
    """Write a notification for each recipient, and queue letters and pushes; run again, it adds nothing."""
    after, told = UUID(int=0), 0
    while True:
        async with resources.transaction() as session:
            people = (await session.execute(_recipients(notice, after=after))).all()
            if not people:
                break
            new = await _write(session, notice=notice, people=[row.id for row in people])
            for row in people:
                if row.id in new:
                    await _tell(session, notice=notice, person=row)
            ring(session, resources.redis, new)
        after, told = people[-1].id, told + len(new)
    log.info("notice.told", kind=notice["kind"], people=told)


async def _tell(session: AsyncSession, *, notice: Mapping[str, Any], person: Any) -> None:
    """Queue a letter and a push where they are wanted, for the end of the person's quiet hours."""
    at = hours.end_of_quiet(person, now=datetime.now(UTC))
    if person.by_email and person.digest_hour is None:
        await letters.post(session, user_id=person.id, subject=notice["title"], text=_letter(notice), at=at)
    if person.by_push and person.has_device:
        await queue.defer(session, push.send, at=at, user_id=str(person.id), words=_push(notice))


async def _write(session: AsyncSession, *, notice: Mapping[str, Any], people: list[UUID]) -> set[UUID]:
    """Insert what is not there yet, and return whose that is."""
    row = {
        "notice_id": UUID(notice["id"]),
        "kind": notice["kind"],
        "actor_id": UUID(notice["actor_id"]) if notice["actor_id"] else None,
        "subject_kind": notice["subject_kind"],
        "subject_id": UUID(notice["subject_id"]),
        "title": notice["title"],
        "body": notice["body"],
    }
    inserted = await session.scalars(
        insert(Notification)
        .values([row | {"user_id": person} for person in people])
        .on_conflict_do_nothing()
        .returning(Notification.user_id)
    )
    return set(inserted)


def _recipients(notice: Mapping[str, Any], *, after: UUID) -> Select[Any]:
    """Return the next recipients by id: concerned, open, not the actor, without a block or mute, and wanting it."""
    named = User.id.in_([UUID(person) for person in notice["user_ids"]])
    concerned: ColumnElement[bool] = named
    if notice["everyone"]:
        concerned = true()
    elif notice["connector_id"]:
        member = exists().where(
            ConnectorMember.connector_id == UUID(notice["connector_id"]), ConnectorMember.user_id == User.id
        )
        concerned = or_(named, member.correlate(User))
    statement = (
        select(
            User.id,
            _wanted(User.id, notice["kind"], Channel.EMAIL).label("by_email"),
            _wanted(User.id, notice["kind"], Channel.PUSH).label("by_push"),
            exists().where(PushDevice.user_id == User.id).correlate(User).label("has_device"),
            NotificationHours.timezone,
            NotificationHours.quiet_from,
            NotificationHours.quiet_until,
            NotificationHours.digest_hour,
        )
        .outerjoin(NotificationHours, NotificationHours.user_id == User.id)
        .where(User.id > after, User.is_active.is_(True), concerned)
        .where(_wanted(User.id, notice["kind"], Channel.IN_APP))
        .order_by(User.id)
        .limit(BATCH)
    )
    if notice["actor_id"]:
        actor = UUID(notice["actor_id"])
        either = or_(
            and_(Block.blocker_id == actor, Block.blocked_id == User.id),
            and_(Block.blocked_id == actor, Block.blocker_id == User.id),
        )
        statement = statement.where(
            User.id != actor,
            ~exists().where(either).correlate(User),
            ~exists().where(Mute.muter_id == User.id, Mute.muted_id == actor).correlate(User),
        )
    return statement


def _wanted(person: Any, kind: str, channel: Channel) -> ColumnElement[bool]:
    said = (
        select(NotificationPreference.wanted)
        .where(
            NotificationPreference.user_id == person,
            NotificationPreference.kind == kind,
            NotificationPreference.channel == channel.value,
        )
        .scalar_subquery()
    )
    return func.coalesce(said, literal(wanted_by_default(NoticeKind(kind), channel)))


def _letter(notice: Mapping[str, Any]) -> str:
    return f"{notice['title']}\n\n{notice['body']}\n" if notice["body"] else f"{notice['title']}\n"


def _push(notice: Mapping[str, Any]) -> dict[str, str]:
    return {name: notice[name] for name in ("title", "body", "kind", "subject_kind", "subject_id")}
