"""Daily digest emails at the local hour that each user chose."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Integer, Select, String, and_, case, column, func, select, update, values
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.community.notifications import emails
from transactional_api.community.notifications.quiet_hours import load_time_zone, utc_times
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import DeliverySchedule, User
from transactional_api.core.jobs import queue

BATCH = 500
CATCH_UP = timedelta(hours=6)
"""Time after its hour in which a late run still sends a digest."""

log = get_logger(__name__)


@queue.periodic("3 * * * *")
@queue.task("notifications.digest")
async def digest(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Queue the digests that are due, of unread notifications since the last digest."""
    after, recipient_count = UUID(int=0), 0
    async with context.transaction() as session:
        due = await _due_now(session)
    while due:
        async with context.transaction() as session:
            rows = (await session.execute(_recipients(due, after=after))).all()
            if not rows:
                break
            for row in rows:
                await _queue_for(session, row)
        after, recipient_count = rows[-1].id, recipient_count + len(rows)
    log.info("digest.queued", recipients=recipient_count)


class Due(NamedTuple):
    """Hour of a time zone whose digests are due, and the times that decide who has received one."""

    time_zone: str
    hour: int
    day_started_at: datetime
    is_current_hour: bool


def due_hours(time_zone: str, *, now: datetime) -> list[Due]:
    """Return the hours of a time zone whose digests are due now.

    An hour is due from its first occurrence on the local day, or from the change of clocks that skips it. A late run
    catches up within ``CATCH_UP`` on the same local day. Only Python's time zone rules are used; PostgreSQL may have
    others.
    """
    zone = load_time_zone(time_zone)
    today = now.astimezone(zone).date()
    day_started_at = utc_times(today, time(0), zone)[0]
    due = []
    for hour in range(24):
        started_at = utc_times(today, time(hour), zone)[0]
        if started_at <= now < started_at + CATCH_UP:
            due.append(Due(time_zone, hour, day_started_at, is_current_hour=now < started_at + timedelta(hours=1)))
    return due


async def _due_now(session: AsyncSession) -> list[Due]:
    zones = await session.scalars(
        select(DeliverySchedule.time_zone).where(DeliverySchedule.digest_hour.is_not(None)).distinct()
    )
    now = datetime.now(UTC)
    return [due for zone in zones for due in due_hours(zone, now=now)]


def _recipients(due: Sequence[Due], *, after: UUID) -> Select[Any]:
    """Select the next users by id whose digest is due and who have received none on this local day.

    The first digest is sent in its hour only, not by a late run.
    """
    hours_due = values(
        column("time_zone", String),
        column("hour", Integer),
        column("day_started_at", DateTime(timezone=True)),
        column("is_current_hour", Boolean),
        name="due",
    ).data([tuple(hour) for hour in due])
    is_due = case(
        (DeliverySchedule.last_digest_at.is_(None), hours_due.c.is_current_hour),
        else_=DeliverySchedule.last_digest_at < hours_due.c.day_started_at,
    )
    return (
        select(User.id, DeliverySchedule.last_digest_at)
        .join(DeliverySchedule, DeliverySchedule.user_id == User.id)
        .join(
            hours_due,
            and_(hours_due.c.time_zone == DeliverySchedule.time_zone, hours_due.c.hour == DeliverySchedule.digest_hour),
        )
        .where(User.id > after, User.is_active.is_(True), is_due)
        .order_by(User.id)
        .limit(BATCH)
        .with_for_update(of=DeliverySchedule, skip_locked=True)
    )


async def _queue_for(session: AsyncSession, row: Any) -> None:
    """Queue one user's digest, which is rendered when it is sent."""
    since = row.last_digest_at or datetime.now(UTC) - timedelta(days=7)
    now = update(DeliverySchedule).where(DeliverySchedule.user_id == row.id).values(last_digest_at=func.now())
    await session.execute(now)
    await queue.defer(session, emails.send_digest, user_id=str(row.id), since=since.isoformat())
