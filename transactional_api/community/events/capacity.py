"""Capacity and waitlist of events: the capacity is never exceeded, and the waitlist is first in, first out.

Every function requires that the caller holds the lock on the event's row (``lock_event``), which serializes the RSVPs
of one event.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.events import queries
from transactional_api.community.events.schemas import AttendeeStatus, RsvpBody, RsvpStatus
from transactional_api.core.db.tables import Event, EventAttendee
from transactional_api.core.errors import Problem
from transactional_api.core.withdrawals import Who


class CapacityExceededError(Problem):
    """An attendee requests more guests than the remaining capacity; their previous RSVP is unchanged."""

    status, code, title = 409, "capacity_exceeded", "The event has too little remaining capacity for that many guests"


async def lock_event(session: AsyncSession, *, event_id: UUID, or_cancelled: bool = False) -> Event | None:
    """Lock the row of an event until the transaction ends; None if it does not exist or is cancelled."""
    statement = select(Event).where(Event.id == event_id)
    if not or_cancelled:
        statement = statement.where(Event.is_active.is_(True))
    event: Event | None = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    return event


async def record_rsvp(session: AsyncSession, *, event: Event, user_id: UUID, rsvp: RsvpBody) -> AttendeeStatus:
    """Store a user's RSVP; without enough remaining capacity they are placed on the waitlist.

    Raises:
        CapacityExceededError: an attendee requests more guests than the remaining capacity.
    """
    await decline_without_access(session, event=event)
    previous = await session.scalar(
        select(EventAttendee).where(EventAttendee.event_id == event.id, EventAttendee.user_id == user_id)
    )
    previous_size = 1 + previous.guests if previous is not None and previous.status == AttendeeStatus.ATTENDING else 0
    status = AttendeeStatus(rsvp.status.value)
    if rsvp.status is RsvpStatus.ATTENDING and not await _fits(
        session, event=event, party_size=1 + rsvp.guest_count, previous_size=previous_size
    ):
        if previous_size:
            raise CapacityExceededError
        status = AttendeeStatus.WAITING
    keeps_position = previous is not None and previous.status == status
    statement = insert(EventAttendee).values(event_id=event.id, user_id=user_id, status=status, guests=rsvp.guest_count)
    changes = {"status": status, "guests": rsvp.guest_count}
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["event_id", "user_id"],
            set_=changes if keeps_position else changes | {"joined_at": func.clock_timestamp()},
        )
    )
    size = 1 + rsvp.guest_count if status is AttendeeStatus.ATTENDING else 0
    await _change_attendee_count(session, event=event, change=size - previous_size)
    return status


async def delete_rsvp(session: AsyncSession, *, event: Event, user_id: UUID) -> None:
    """Delete a user's RSVP and free their capacity."""
    deleted = (
        await session.execute(
            delete(EventAttendee)
            .where(EventAttendee.event_id == event.id, EventAttendee.user_id == user_id)
            .returning(EventAttendee.status, EventAttendee.guests)
        )
    ).one_or_none()
    if deleted is not None and deleted.status == AttendeeStatus.ATTENDING:
        await _change_attendee_count(session, event=event, change=-1 - deleted.guests)


async def decline_for(session: AsyncSession, *, event: Event, who: Who) -> int:
    """Set the RSVPs of the matching users to declined, which frees their capacity; return the number of changed RSVPs.

    The rows are retained, so that each of the users can respond again.
    """
    conditions = (
        EventAttendee.event_id == event.id,
        EventAttendee.status != AttendeeStatus.DECLINED,
        who(EventAttendee.user_id),
    )
    rows = (
        await session.execute(select(EventAttendee.id, EventAttendee.status, EventAttendee.guests).where(*conditions))
    ).all()
    if rows:
        await session.execute(
            update(EventAttendee)
            .where(EventAttendee.id.in_([row.id for row in rows]))
            .values(status=AttendeeStatus.DECLINED, guests=0)
            .execution_options(synchronize_session=False)
        )
        await _change_attendee_count(
            session,
            event=event,
            change=-sum(1 + row.guests for row in rows if row.status == AttendeeStatus.ATTENDING),
        )
    return len(rows)


async def decline_without_access(session: AsyncSession, *, event: Event) -> None:
    """Decline for every attendee who can no longer see the event."""
    hidden = (await session.scalars(queries.attendees_without_access(event.id))).all()
    if hidden:
        await decline_for(session, event=event, who=lambda user_id: user_id.in_(hidden))


async def promote_from_waitlist(session: AsyncSession, *, event: Event) -> list[UUID]:
    """Give the remaining capacity to the waitlist, in order, and return the ids of the promoted users.

    Only users who can still see the event stay on the waitlist. Promotion stops at the first party that does not fit,
    so that nobody overtakes them.
    """
    await decline_without_access(session, event=event)
    waiting = await session.scalars(
        select(EventAttendee)
        .where(EventAttendee.event_id == event.id, EventAttendee.status == AttendeeStatus.WAITING)
        .order_by(EventAttendee.joined_at, EventAttendee.id)
    )
    promoted: list[UUID] = []
    added = 0
    for attendee in waiting:
        party_size = 1 + attendee.guests
        if event.max_attendees is not None and event.attendee_count + added + party_size > event.max_attendees:
            break
        added += party_size
        promoted.append(attendee.user_id)
    if promoted:
        await session.execute(
            update(EventAttendee)
            .where(EventAttendee.event_id == event.id, EventAttendee.user_id.in_(promoted))
            .values(status=AttendeeStatus.ATTENDING)
            .execution_options(synchronize_session=False)
        )
        await _change_attendee_count(session, event=event, change=added)
    return promoted


async def _fits(session: AsyncSession, *, event: Event, party_size: int, previous_size: int) -> bool:
    if event.max_attendees is None:
        return True
    if event.attendee_count - previous_size + party_size > event.max_attendees:
        return False
    if previous_size:
        return True
    queue = select(EventAttendee.id).where(
        EventAttendee.event_id == event.id, EventAttendee.status == AttendeeStatus.WAITING
    )
    return await session.scalar(queue.limit(1)) is None


async def _change_attendee_count(session: AsyncSession, *, event: Event, change: int) -> None:
    if change:
        event.attendee_count += change
        await session.flush()
