"""RSVPs to events and the list of attendees."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.event_times import is_over
from transactional_api.community.events import capacity, queries, service
from transactional_api.community.events.schemas import AttendeeOut, AttendeeStatus, RsvpBody, RsvpOut, RsvpStatus
from transactional_api.core.db.tables import EventAttendee
from transactional_api.core.errors import ForbiddenError, Problem
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.withdrawals import only


class EventOverError(Problem):
    """The event has ended."""

    status, code, title = 409, "event_over", "This event is over"


async def rsvp(session: AsyncSession, *, viewer: Viewer, event_id: UUID, body: RsvpBody) -> RsvpOut:
    """Set the viewer's RSVP to a visible event; if the event is full, they are placed on the waitlist.

    Users with an RSVP can decline even if they can no longer see the event.

    Raises:
        EventCancelledError, EventOverError: the event accepts no RSVPs any more.
        RsvpsPausedError: the host is suspended and the RSVP is not a decline.
        CapacityExceededError: an attendee requests more guests than the remaining capacity.
    """
    if body.status is RsvpStatus.DECLINED and await _decline_hidden(session, viewer=viewer, event_id=event_id):
        return RsvpOut(event_id=event_id, status=AttendeeStatus.DECLINED, guest_count=0, attendee_count=0)
    declines = body.status is RsvpStatus.DECLINED
    event = await service.lock(session, viewer=viewer, event_id=event_id, or_paused=declines)
    if is_over(event.start_date, event.end_date, at=datetime.now(UTC)):
        raise EventOverError
    status = await capacity.record_rsvp(session, event=event, user_id=viewer.id, rsvp=body)
    if viewer.id in await service.promote_from_waitlist(session, event=event):
        status = AttendeeStatus.ATTENDING
    return RsvpOut(event_id=event_id, status=status, guest_count=body.guest_count, attendee_count=event.attendee_count)


async def attendees(session: AsyncSession, *, viewer: Viewer, event_id: UUID, page: PageRequest) -> Page[AttendeeOut]:
    """List the attendees and the waitlist, ordered by the time of the RSVP.

    Raises:
        NotFoundError: the viewer cannot see the event.
        ForbiddenError: the host hides the list.
    """
    access = await service.get_event_access(session, viewer=viewer, event_id=event_id)
    if access.hides_attendees and not access.can_edit:
        raise ForbiddenError("Only the host and moderators can list the attendees of this event")
    statement = page.select(
        queries.attendees_of(viewer, event_id=event_id, can_edit=access.can_edit),
        at=EventAttendee.joined_at,
        row_id=EventAttendee.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: AttendeeOut.model_validate(row, from_attributes=True), at="joined_at")


async def _decline_hidden(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> bool:
    """Decline for a viewer with an RSVP who can no longer see the event; return whether that applies."""
    answered = select(EventAttendee.id).where(EventAttendee.event_id == event_id, EventAttendee.user_id == viewer.id)
    if await session.scalar(answered) is None:
        return False
    if (await session.execute(queries.with_role(viewer, event_id=event_id))).one_or_none() is not None:
        return False
    event = await capacity.lock_event(session, event_id=event_id, or_cancelled=True)
    if event is not None and await capacity.decline_for(session, event=event, who=only(viewer.id)):
        await service.promote_from_waitlist(session, event=event)
    return True
