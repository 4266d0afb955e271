"""Reminders of events, sent to attendees 24 hours before the start even if the start has changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.event_times import is_over
from transactional_api.community.events.schemas import AttendeeStatus
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Event, EventAttendee
from transactional_api.core.jobs import queue
from transactional_api.core.notices import Notice, NoticeKind, notify

LEAD_TIME = timedelta(hours=24)


async def schedule_reminder(session: AsyncSession, *, event_id: UUID, start: datetime) -> None:
    """Queue the reminder of an event, unless it starts within the lead time."""
    if start - LEAD_TIME > datetime.now(UTC):
        await queue.defer(session, remind, at=start - LEAD_TIME, event_id=str(event_id), start=start.isoformat())


@queue.task("events.remind", priority=queue.Priority.NOTICE)
async def remind(context: AppContext, *, event_id: str, start: str) -> None:
    """Notify the attendees. Does nothing if the start has changed: the job of the new start sends the reminder."""
    async with context.transaction() as session:
        event = await session.scalar(select(Event).where(Event.id == UUID(event_id), Event.is_active.is_(True)))
        if event is None or event.start_date != datetime.fromisoformat(start):
            return
        if is_over(event.start_date, event.end_date, at=datetime.now(UTC)):
            return  # The job ran more than a day late.
        attendees = select(EventAttendee.user_id).where(
            EventAttendee.event_id == event.id,
            EventAttendee.status.in_([AttendeeStatus.ATTENDING, AttendeeStatus.MAYBE]),
        )
        await notify(
            session,
            Notice(
                id=uuid5(event.id, start),
                kind=NoticeKind.EVENT_SOON,
                subject_kind="event",
                subject_id=event.id,
                user_ids=list(await session.scalars(attendees)),
            ),
        )
