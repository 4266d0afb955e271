"""Quiet hours of users, and their delivery schedules."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.notifications.schemas import DeliverySchedule
from transactional_api.core.db import tables
from transactional_api.core.text import is_time_zone
from transactional_api.core.viewer import Viewer


class QuietHours(Protocol):
    """Quiet hours of a user; all None if there are none."""

    time_zone: str | None
    quiet_from: time | None
    quiet_until: time | None


def end_of_quiet(quiet: QuietHours, *, now: datetime) -> datetime | None:
    """Return the end of the quiet hours that contain ``now``, or None outside of them; always after ``now``.

    Quiet hours may span midnight (``22:00`` to ``07:00``); equal times mean the whole day.
    """
    begin, end = quiet.quiet_from, quiet.quiet_until
    if quiet.time_zone is None or begin is None or end is None:
        return None
    zone = load_time_zone(quiet.time_zone)

    def is_inside(instant: datetime) -> bool:
        clock = instant.astimezone(zone).time()
        return begin <= clock < end if begin < end else clock >= begin or clock < end

    if not is_inside(now):
        return None
    today = now.astimezone(zone).date()
    ends = (instant for ahead in (0, 1, 2) for instant in utc_times(today + timedelta(days=ahead), end, zone))
    # Where clocks go forward over the end, it may be quiet right after the change.
    return min(instant for instant in ends if instant > now and (begin == end or not is_inside(instant)))


def utc_times(day: date, clock: time, zone: ZoneInfo) -> list[datetime]:
    """Return the UTC times of a local time on a day: two where clocks go back over it.

    Where clocks go forward over it, return the time of the change.
    """
    wall = datetime.combine(day, clock)
    times = sorted({wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    if any(instant.astimezone(zone).replace(tzinfo=None) == wall for instant in times):
        return times
    # The local time does not exist; the change is between the two interpretations of it.
    before, after = times
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return [after.replace(microsecond=0)]


def load_time_zone(name: str) -> ZoneInfo:
    """Return the rules of a time zone, or of UTC if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


async def delivery_schedule(session: AsyncSession, *, viewer: Viewer) -> DeliverySchedule:
    """Return the viewer's delivery schedule."""
    row = await session.get(tables.DeliverySchedule, viewer.id)
    if row is None:
        return DeliverySchedule()
    # Earlier releases accepted "localtime" and "Factory", which mean UTC.
    time_zone = row.time_zone if is_time_zone(row.time_zone) else "UTC"
    return DeliverySchedule(
        time_zone=time_zone, quiet_from=row.quiet_from, quiet_until=row.quiet_until, digest_hour=row.digest_hour
    )


async def replace_delivery_schedule(
    session: AsyncSession, *, viewer: Viewer, schedule: DeliverySchedule
) -> DeliverySchedule:
    """Replace the viewer's delivery schedule."""
    columns = schedule.model_dump()
    statement = insert(tables.DeliverySchedule).values(user_id=viewer.id, **columns)
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=columns))
    return schedule
