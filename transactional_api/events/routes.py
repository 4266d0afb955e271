"""``/events``: what connectors hold, and who comes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import Event
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.events import service
from transactional_api.events.calendar import MEDIA_TYPE, to_calendar
from transactional_api.events.places_taken import NoRoomForGuestsError
from transactional_api.events.schemas import AttendeeOut, EventBody, EventOut, NewEvent, Rsvp, RsvpOut
from transactional_api.events.service import EventCancelledError, EventOverError, TooFewPlacesError
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep
from transactional_api.places import NearDep
from transactional_api.text import Moment
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/events", tags=["events"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(Event.updated_at, Event.id, path="event_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
From = Annotated[Moment | None, Query(alias="from", description="Starts at or after this; now where left out.")]
Until = Annotated[Moment | None, Query(description="Starts before this.")]


@router.post("", operation_id="createEvent", status_code=201, responses=declare(*WRITES, ForbiddenError))
async def create(body: NewEvent, session: SessionDep, writer: WriterDep) -> EventOut:
    """Hold an event in a connector that you belong to."""
    return await service.create(session, viewer=writer, body=body)


@router.get("", operation_id="findEvents", responses=declare(*READS, InvalidCursorError))
async def find(
    *, session: SessionDep, viewer: ViewerDep, page: PageDep, near: NearDep, since: From = None, until: Until = None
) -> Page[EventOut]:
    """Find events by time and distance, the soonest first."""
    return await service.find(session, viewer=viewer, page=page, near=near, since=since, until=until)


@router.get("/connector/{connector_id}", operation_id="listEvents", responses=declare(*READS, InvalidCursorError))
async def list_by_connector(
    *,
    connector_id: UUID,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    since: From = None,
    until: Until = None,
) -> Page[EventOut]:
    """List a connector's events, the soonest first."""
    return await service.find(session, viewer=viewer, page=page, connector_id=connector_id, since=since, until=until)


@router.get("/{event_id}", operation_id="getEvent", responses=declare(*READS))
async def get(event_id: UUID, response: Response, session: SessionDep, viewer: ViewerDep) -> EventOut:
    """Get an event, and where you stand with it."""
    return tagged(response, await service.get(session, viewer=viewer, event_id=event_id))


@router.put(
    "/{event_id}",
    operation_id="replaceEvent",
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError, EventCancelledError, TooFewPlacesError),
)
async def replace(
    event_id: UUID, body: EventBody, response: Response, session: SessionDep, writer: WriterDep
) -> EventOut:
    """Replace an event; for its host and for who tends the connector. Who comes is told."""
    return tagged(response, await service.replace(session, viewer=writer, event_id=event_id, body=body))


@router.delete(
    "/{event_id}",
    operation_id="cancelEvent",
    status_code=204,
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError, EventCancelledError),
)
async def cancel(event_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Cancel an event; for its host and for who tends the connector. Who would have come is told."""
    await service.cancel(session, viewer=writer, event_id=event_id)


@router.post(
    "/{event_id}/rsvp",
    operation_id="answerEvent",
    responses=declare(*WRITES, EventCancelledError, EventOverError, NoRoomForGuestsError),
)
async def rsvp(event_id: UUID, answer: Rsvp, session: SessionDep, writer: WriterDep) -> RsvpOut:
    """Answer an event. Without a free place you wait, and move up in order."""
    return await service.rsvp(session, viewer=writer, event_id=event_id, answer=answer)


@router.get(
    "/{event_id}/attendees",
    operation_id="listAttendees",
    responses=declare(*READS, ForbiddenError, InvalidCursorError),
)
async def attendees(event_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[AttendeeOut]:
    """List who comes, may come or waits, the first to answer first; the host may keep it to themselves."""
    return await service.attendees(session, viewer=viewer, event_id=event_id, page=page)


@router.get(
    "/{event_id}/calendar.ics",
    operation_id="getEventCalendar",
    response_class=Response,
    responses={**declare(*READS), 200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def calendar(event_id: UUID, session: SessionDep, viewer: ViewerDep) -> Response:
    """Get an event for your calendar (iCalendar)."""
    event = await service.get(session, viewer=viewer, event_id=event_id)
    return Response(to_calendar(event), media_type=MEDIA_TYPE)
