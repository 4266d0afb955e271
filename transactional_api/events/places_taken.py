"""Who gets a place: capacity is never exceeded, and the wait list moves up in its order.

Every function here wants the event's row locked (``lock_event``), so that answers to one event follow each other.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.db.tables import Event, EventAttendee
from transactional_api.errors import Problem
from transactional_api.events.schemas import Answer, EventStatus, Rsvp


class NoRoomForGuestsError(Problem):
    """Whoever has a place wants to bring more than fit; the answer before stands."""

    status, code, title = 409, "no_room_for_guests", "There are not so many places left"


async def lock_event(session: AsyncSession, *, event_id: UUID) -> Event | None:
    """Lock the row of an event that is not cancelled until the transaction ends."""
    event: Event | None = await session.scalar(
        select(Event)
        .where(Event.id == event_id, Event.is_active.is_(True))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return event


async def answer(session: AsyncSession, *, event: Event, user_id: UUID, rsvp: Rsvp) -> EventStatus:
    """Take a person's answer; who wants a place that is not there waits.

    Raises:
        NoRoomForGuestsError: when who has a place already wants more than there are.
    """
    present = await session.scalar(
        select(EventAttendee).where(EventAttendee.event_id == event.id, EventAttendee.user_id == user_id)
    )
    held = 1 + present.guests if present is not None and present.status == EventStatus.ATTENDING else 0
    status = EventStatus(rsvp.status.value)
    if rsvp.status is Answer.ATTENDING and not await _fits(session, event=event, wanted=1 + rsvp.guests, held=held):
        if held:
            raise NoRoomForGuestsError
        status = EventStatus.WAITING
    keeps_turn = present is not None and present.status == status
    statement = insert(EventAttendee).values(event_id=event.id, user_id=user_id, status=status, guests=rsvp.guests)
    changes = {"status": status, "guests": rsvp.guests}
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["event_id", "user_id"],
            set_=changes if keeps_turn else changes | {"joined_at": func.clock_timestamp()},
        )
    )
    taken = 1 + rsvp.guests if status is EventStatus.ATTENDING else 0
    await _take(session, event=event, change=taken - held)
    return status


async def withdraw(session: AsyncSession, *, event: Event, user_id: UUID) -> None:
    """Forget a person's answer."""
    gone = (
        await session.execute(
            delete(EventAttendee)
            .where(EventAttendee.event_id == event.id, EventAttendee.user_id == user_id)
            .returning(EventAttendee.status, EventAttendee.guests)
        )
    ).one_or_none()
    if gone is not None and gone.status == EventStatus.ATTENDING:
        await _take(session, event=event, change=-1 - gone.guests)


async def move_up(session: AsyncSession, *, event: Event) -> list[UUID]:
    """Give free places to the wait list, in order, and return who got one.

    The first whose party does not fit keeps the place in the queue; nobody overtakes them.
    """
    waiting = await session.scalars(
        select(EventAttendee)
        .where(EventAttendee.event_id == event.id, EventAttendee.status == EventStatus.WAITING)
        .order_by(EventAttendee.joined_at, EventAttendee.id)
    )
    moved: list[UUID] = []
    places = 0
    for one in waiting:
        if event.max_attendees is not None and event.attendee_count + places + 1 + one.guests > event.max_attendees:
            break
        places += 1 + one.guests
        moved.append(one.user_id)
    if moved:
        await session.execute(
            update(EventAttendee)
            .where(EventAttendee.event_id == event.id, EventAttendee.user_id.in_(moved))
            .values(status=EventStatus.ATTENDING)
            .execution_options(synchronize_session=False)
        )
        await _take(session, event=event, change=places)
    return moved


async def _fits(session: AsyncSession, *, event: Event, wanted: int, held: int) -> bool:
    if event.max_attendees is None:
        return True
    if event.attendee_count - held + wanted > event.max_attendees:
        return False
    if held:
        return True
    queue = select(EventAttendee.id).where(
        EventAttendee.event_id == event.id, EventAttendee.status == EventStatus.WAITING
    )
    return await session.scalar(queue.limit(1)) is None


async def _take(session: AsyncSession, *, event: Event, change: int) -> None:
    if change:
        event.attendee_count += change
        await session.flush()
