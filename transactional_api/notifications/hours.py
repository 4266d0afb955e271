"""When people want to be left alone, and the daily letter of what they have not read."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, extract, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.auth import Viewer
from transactional_api.db.tables import Notification, NotificationHours, User
from transactional_api.jobs import queue
from transactional_api.mail import letters
from transactional_api.notifications.schemas import Hours
from transactional_api.resources import Resources

BATCH = 500
LINES = 20
# A little less than a day, so that a late run does not skip the next day's letter.
BETWEEN = timedelta(hours=20)

log = get_logger(__name__)


class Quiet(Protocol):
    """A person's quiet hours; all None where they have none."""

    timezone: str | None
    quiet_from: time | None
    quiet_until: time | None


def end_of_quiet(quiet: Quiet, *, now: datetime) -> datetime | None:
    """Return when the quiet hours end that it is in at ``now``, or None outside of them.

    Hours over midnight are ``22:00`` until ``07:00``; equal times are a whole day of quiet, until that time.
    """
    begin, end = quiet.quiet_from, quiet.quiet_until
    if quiet.timezone is None or begin is None or end is None:
        return None
    local = now.astimezone(ZoneInfo(quiet.timezone))
    clock = local.time()
    inside = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not inside:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, tzinfo=local.tzinfo).astimezone(UTC)


async def hours(session: AsyncSession, *, viewer: Viewer) -> Hours:
    """Return the viewer's hours."""
    row = await session.get(NotificationHours, viewer.id)
    return Hours.model_validate(row, from_attributes=True) if row else Hours()


async def change_hours(session: AsyncSession, *, viewer: Viewer, changed: Hours) -> Hours:
    """Replace the viewer's hours."""
    values = changed.model_dump()
    statement = insert(NotificationHours).values(user_id=viewer.id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))
    return changed


@queue.periodic("3 * * * *")
@queue.task("notifications.digest")
async def digest(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Write to everyone whose hour it is of what they have not read since their last letter."""
    after, written = UUID(int=0), 0
    while True:
        async with resources.transaction() as session:
            people = (await session.execute(_due(after))).all()
            if not people:
                break
            for person in people:
                written += await _write_to(session, person)
        after = people[-1].id
    log.info("digest.written", letters=written)


def _due(after: UUID) -> Select[Any]:
    local_hour = extract("hour", func.timezone(NotificationHours.timezone, func.now()))
    rested: ColumnElement[bool] = or_(
        NotificationHours.digested_at.is_(None), NotificationHours.digested_at < func.now() - BETWEEN
    )
    return (
        select(User.id, NotificationHours.digested_at)
        .join(NotificationHours, NotificationHours.user_id == User.id)
        .where(User.id > after, User.is_active.is_(True), rested, local_hour == NotificationHours.digest_hour)
        .order_by(User.id)
        .limit(BATCH)
        .with_for_update(of=NotificationHours, skip_locked=True)
    )


async def _write_to(session: AsyncSession, person: Any) -> bool:
    """Queue one person's letter; there is none where there is nothing new."""
    since = person.digested_at or datetime.now(UTC) - timedelta(days=7)
    unread = and_(Notification.user_id == person.id, Notification.read_at.is_(None), Notification.created_at > since)
    newest = select(Notification.title).where(unread).order_by(Notification.created_at.desc()).limit(LINES)
    titles = list(await session.scalars(newest))
    now = update(NotificationHours).where(NotificationHours.user_id == person.id).values(digested_at=func.now())
    await session.execute(now)
    if not titles:
        return False
    count = await session.scalar(select(func.count()).where(unread)) or 0
    more = f"\nand {count - len(titles)} more\n" if count > len(titles) else ""
    text = "".join(f"- {title}\n" for title in titles) + more
    await letters.post(session, user_id=person.id, subject=f"{count} new in your neighbourhood", text=text)
    return True
