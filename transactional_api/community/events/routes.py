"""``/events``: events of connectors and RSVPs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from transactional_api.community.events import rsvps, service
from transactional_api.community.events.calendar import MEDIA_TYPE, to_calendar
from transactional_api.community.events.capacity import CapacityExceededError
from transactional_api.community.events.rsvps import EventOverError
from transactional_api.community.events.schemas import (
    AttendeeOut,
    EventBody,
    EventOut,
    EventPatch,
    NewEvent,
    OwnEvents,
    RsvpBody,
    RsvpOut,
)
from transactional_api.community.events.service import CapacityTooLowError, EventCancelledError, RsvpsPausedError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import Event
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.geography import NearDep
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING_IDS
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.text import Moment

router = APIRouter(prefix="/events", tags=["events"], route_class=TransactionalRoute)

VERSION = require_if_match(Event.updated_at, Event.id, path="event_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
Since = Annotated[
    Moment | None,
    Query(description="Only events that end after this time, including ongoing ones. Default: now."),
]
Until = Annotated[Moment | None, Query(description="Only events that start before this time.")]


@router.post(
    "",
    operation_id="createEvent",
    summary="Create event",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, *ATTACHING_IDS),
)
async def create(body: NewEvent, session: SessionDep, writer: WritingUser) -> EventOut:
    """Create an event in a connector that you are a member of. You become its host."""
    return await service.create(session, viewer=writer, body=body)


@router.get(
    "", operation_id="listEvents", summary="List events", responses=problem_responses(*READS, InvalidCursorError)
)
async def list_events(
    *, session: SessionDep, viewer: CurrentUser, page: PageDep, near: NearDep, since: Since = None, until: Until = None
) -> Page[EventOut]:
    """List events by time and distance, ordered by start time."""
    return await service.list_events(session, viewer=viewer, page=page, near=near, since=since, until=until)


@router.get(
    "/mine",
    operation_id="listOwnEvents",
    summary="List your events",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_own(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    part: Annotated[OwnEvents, Query(description="Which of them.")] = OwnEvents.GOING,
) -> Page[EventOut]:
    """List the events that you answered or host, soonest first, or those that ended, latest first."""
    return await service.list_own(session, viewer=viewer, page=page, part=part)


@router.get(
    "/connector/{connector_id}",
    operation_id="listConnectorEvents",
    summary="List events of a connector",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_by_connector(
    *,
    connector_id: UUID,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    since: Since = None,
    until: Until = None,
) -> Page[EventOut]:
    """List the events of a connector, ordered by start time."""
    return await service.list_events(
        session, viewer=viewer, page=page, connector_id=connector_id, since=since, until=until
    )


@router.get("/{event_id}", operation_id="getEvent", summary="Get event", responses=problem_responses(*READS))
async def get(event_id: UUID, response: Response, session: SessionDep, viewer: CurrentUser) -> EventOut:
    """Return an event, including your own attendance status."""
    return set_etag(response, await service.get(session, viewer=viewer, event_id=event_id))


@router.put(
    "/{event_id}",
    operation_id="replaceEvent",
    summary="Replace event",
    dependencies=[VERSION],
    responses=problem_responses(
        PreconditionFailedError, *WRITES, ForbiddenError, EventCancelledError, CapacityTooLowError, *ATTACHING_IDS
    ),
)
async def replace(
    event_id: UUID, body: EventBody, response: Response, session: SessionDep, writer: WritingUser
) -> EventOut:
    """Replace all editable fields of an event.

    Requires the host or a moderator of the connector. Attendees are notified.
    """
    return set_etag(response, await service.replace(session, viewer=writer, event_id=event_id, body=body))


@router.patch(
    "/{event_id}",
    operation_id="changeEvent",
    summary="Change event",
    dependencies=[VERSION],
    responses=problem_responses(
        PreconditionFailedError, *WRITES, ForbiddenError, EventCancelledError, CapacityTooLowError, *ATTACHING_IDS
    ),
)
async def change(
    event_id: UUID, patch: EventPatch, response: Response, session: SessionDep, writer: WritingUser
) -> EventOut:
    """Change the given fields of an event.

    Requires the host or a moderator of the connector. Attendees are notified.
    """
    return set_etag(response, await service.change(session, viewer=writer, event_id=event_id, patch=patch))


@router.delete(
    "/{event_id}",
    operation_id="cancelEvent",
    summary="Cancel event",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, EventCancelledError),
)
async def cancel(event_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Cancel an event. Requires the host or a moderator of the connector. Attendees are notified."""
    await service.cancel(session, viewer=writer, event_id=event_id)


@router.post(
    "/{event_id}/rsvp",
    operation_id="rsvpToEvent",
    summary="RSVP to event",
    responses=problem_responses(*WRITES, EventCancelledError, RsvpsPausedError, EventOverError, CapacityExceededError),
)
async def rsvp(event_id: UUID, body: RsvpBody, session: SessionDep, writer: WritingUser) -> RsvpOut:
    """Set your RSVP to an event. If the event is full, you are placed on the waitlist and promoted in order."""
    return await rsvps.rsvp(session, viewer=writer, event_id=event_id, body=body)


@router.get(
    "/{event_id}/attendees",
    operation_id="listAttendees",
    summary="List attendees",
    responses=problem_responses(*READS, ForbiddenError, InvalidCursorError),
)
async def attendees(event_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[AttendeeOut]:
    """List attendees and the waitlist, ordered by the time of the RSVP. Returns 403 if the host hides the list."""
    return await rsvps.attendees(session, viewer=viewer, event_id=event_id, page=page)


@router.get(
    "/{event_id}/calendar.ics",
    operation_id="getEventCalendar",
    summary="Export event as iCalendar",
    response_class=Response,
    responses={**problem_responses(*READS), 200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def calendar(event_id: UUID, session: SessionDep, viewer: CurrentUser) -> Response:
    """Return the event as an iCalendar file (RFC 5545)."""
    event = await service.get(session, viewer=viewer, event_id=event_id)
    return Response(to_calendar(event), media_type=MEDIA_TYPE)
