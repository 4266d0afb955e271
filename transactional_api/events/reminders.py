"""Reminders: who said that they come is told a day before, wherever the start has moved to meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.db.tables import Event, EventAttendee
from transactional_api.events.schemas import EventStatus
from transactional_api.jobs import queue
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.resources import Resources

BEFORE = timedelta(hours=24)


async def plan(session: AsyncSession, *, event_id: UUID, start: datetime) -> None:
    """Queue the reminder of an event; one that begins sooner than that has none."""
    if start - BEFORE > datetime.now(UTC):
        await queue.defer(session, remind, at=start - BEFORE, event_id=str(event_id), start=start.isoformat())


@queue.task("events.remind", priority=queue.Priority.NOTICE)
async def remind(resources: Resources, *, event_id: str, start: str) -> None:
    """Remind who comes. If the start has moved, the reminder of the new start does it."""
    async with resources.transaction() as session:
        event = await session.scalar(select(Event).where(Event.id == UUID(event_id), Event.is_active.is_(True)))
        if event is None or event.start_date != datetime.fromisoformat(start):
            return
        coming = select(EventAttendee.user_id).where(
            EventAttendee.event_id == event.id, EventAttendee.status.in_([EventStatus.ATTENDING, EventStatus.MAYBE])
        )
        await notify(
            session,
            Notice(
                id=uuid5(event.id, start),
                kind=NoticeKind.EVENT_SOON,
                subject_kind="event",
                subject_id=event.id,
                title="Tomorrow, if you come",
                body=event.title,
                user_ids=list(await session.scalars(coming)),
            ),
        )
