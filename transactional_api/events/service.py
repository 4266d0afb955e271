"""Events: holding, finding and answering them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import any_, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import service as connectors
from transactional_api.connectors.schemas import TENDS, Role
from transactional_api.db.plain import Ready
from transactional_api.db.tables import Event, EventAttendee
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.events import places_taken, queries, reminders
from transactional_api.events.schemas import AttendeeOut, EventBody, EventOut, EventStatus, NewEvent, Rsvp, RsvpOut
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.places import Near, Point, within
from transactional_api.prepared import IDS, SOMEONE

_MANY = Ready(queries.visible_to(SOMEONE).where(Event.id == any_(IDS)))


class EventCancelledError(Problem):
    """The event will not take place."""

    status, code, title = 409, "event_cancelled", "This event was cancelled"


class EventOverError(Problem):
    """The event has been."""

    status, code, title = 409, "event_over", "This event is over"


class TooFewPlacesError(Problem):
    """More people hold a place already."""

    status, code, title = 409, "too_few_places", "More people come already than there would be places"


@dataclass(frozen=True, slots=True)
class Access:
    """An event that the viewer may see, and what they are to it."""

    is_host: bool
    hides_attendees: bool
    role: Role | None

    @property
    def may_edit(self) -> bool:
        """Whether the viewer holds the event or tends its connector."""
        return self.is_host or self.role in TENDS


async def create(session: AsyncSession, *, viewer: Viewer, body: NewEvent) -> EventOut:
    """Hold an event in a connector that the viewer belongs to.

    Raises:
        NotFoundError: when the viewer may not see the connector.
        ForbiddenError: when they see it but do not belong to it.
    """
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to hold an event in it")
    event_id = await session.scalar(
        insert(Event).values(connector_id=body.connector_id, created_by=viewer.id, **_columns(body)).returning(Event.id)
    )
    assert event_id is not None  # noqa: S101 (the insert returned it)
    await screening.screen(session, SubjectKind.EVENT, event_id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.EVENT_CREATED,
            actor_id=viewer.id,
            subject_kind="event",
            subject_id=event_id,
            title=f"An event in {connector.name}"[:200],
            body=body.title,
            connector_id=body.connector_id,
        ),
    )
    await reminders.plan(session, event_id=event_id, start=body.start_date)
    return await get(session, viewer=viewer, event_id=event_id)


async def get(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> EventOut:
    """Return an event; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(queries.visible_to(viewer).where(Event.id == event_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return _out(row)


async def get_many(session: AsyncSession, *, viewer: Viewer, event_ids: Sequence[UUID]) -> dict[UUID, EventOut]:
    """Return those events that the viewer may see, by id."""
    return by_id(await _MANY.all(session, viewer_id=viewer.id, ids=list(event_ids)) if event_ids else [])


def by_id(rows: Sequence[Any]) -> dict[UUID, EventOut]:
    """Return the events of rows with all that ``queries.visible_to`` selects."""
    return {row.id: _out(row) for row in rows}


async def find(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    connector_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    near: Near | None = None,
) -> Page[EventOut]:
    """List events that are not cancelled, the soonest first.

    With ``connector_id`` only those of this connector (``NotFoundError`` when the viewer may not see it). They start
    at or after ``since``, which is now where it is None, and before ``until``. With ``near``, their point is known
    and near.
    """
    statement = queries.visible_to(viewer).where(
        Event.is_active.is_(True), Event.start_date >= (since or datetime.now(UTC))
    )
    if connector_id is not None:
        await connectors.get(session, viewer=viewer, connector_id=connector_id)
        statement = statement.where(Event.connector_id == connector_id)
    if until is not None:
        statement = statement.where(Event.start_date < until)
    if near is not None:
        statement = statement.where(within(Event.latitude, Event.longitude, near))
    rows = (
        await session.execute(page.select(statement, at=Event.start_date, row_id=Event.id, newest_first=False))
    ).all()
    return page.of(rows, _out, at="start_date")


async def replace(session: AsyncSession, *, viewer: Viewer, event_id: UUID, body: EventBody) -> EventOut:
    """Replace what the host may write; more places let the wait list move up, and who comes is told.

    Raises:
        ForbiddenError: for who may see it but neither holds it nor tends its connector.
        EventCancelledError: when it was cancelled.
        TooFewPlacesError: when more come already than there would be places.
    """
    event = await _lock_to_edit(session, viewer=viewer, event_id=event_id)
    if body.max_attendees is not None and event.attendee_count > body.max_attendees:
        raise TooFewPlacesError
    if body.start_date != event.start_date:
        await reminders.plan(session, event_id=event_id, start=body.start_date)
    for name, value in _columns(body).items():
        setattr(event, name, value)
    event.updated_at = datetime.now(UTC)
    await session.flush()
    await screening.screen(session, SubjectKind.EVENT, event_id)
    await _tell_attendees(session, viewer=viewer, event=event, kind=NoticeKind.EVENT_CHANGED, title="changed")
    await move_up(session, event=event)
    return await get(session, viewer=viewer, event_id=event_id)


async def cancel(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> None:
    """Cancel an event; it stays to be seen as cancelled, and who would have come is told."""
    event = await _lock_to_edit(session, viewer=viewer, event_id=event_id)
    event.is_active = False
    event.updated_at = datetime.now(UTC)
    await session.flush()
    await _tell_attendees(session, viewer=viewer, event=event, kind=NoticeKind.EVENT_CANCELLED, title="cancelled")


async def rsvp(session: AsyncSession, *, viewer: Viewer, event_id: UUID, answer: Rsvp) -> RsvpOut:
    """Answer an event that the viewer may see; without a free place they wait.

    Raises:
        EventCancelledError, EventOverError: when there is nothing to answer any more.
        NoRoomForGuestsError: when who has a place wants to bring more than fit.
    """
    event = await _lock(session, viewer=viewer, event_id=event_id)
    if (event.end_date or event.start_date) < datetime.now(UTC):
        raise EventOverError
    status = await places_taken.answer(session, event=event, user_id=viewer.id, rsvp=answer)
    if viewer.id in await move_up(session, event=event):
        status = EventStatus.ATTENDING
    return RsvpOut(event_id=event_id, status=status, guests=answer.guests, attendee_count=event.attendee_count)


async def attendees(session: AsyncSession, *, viewer: Viewer, event_id: UUID, page: PageRequest) -> Page[AttendeeOut]:
    """List who comes, may come or waits, the first to answer first.

    Raises:
        NotFoundError: when the viewer may not see the event.
        ForbiddenError: when the host keeps the list to themselves.
    """
    access = await access_event(session, viewer=viewer, event_id=event_id)
    if access.hides_attendees and not access.may_edit:
        raise ForbiddenError("The host does not show who comes")
    statement = page.select(
        queries.attendees_of(viewer, event_id=event_id),
        at=EventAttendee.joined_at,
        row_id=EventAttendee.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: AttendeeOut.model_validate(row, from_attributes=True), at="joined_at")


async def access_event(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> Access:
    """Find an event; raises ``NotFoundError`` when the viewer may not see it."""
    row = (await session.execute(queries.with_role(viewer, event_id=event_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return Access(
        is_host=row.created_by == viewer.id,
        hides_attendees=row.hides_attendees,
        role=Role(row.role) if row.role else None,
    )


async def _lock(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> Event:
    await access_event(session, viewer=viewer, event_id=event_id)
    event = await places_taken.lock_event(session, event_id=event_id)
    if event is None:
        raise EventCancelledError
    return event


async def _lock_to_edit(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> Event:
    access = await access_event(session, viewer=viewer, event_id=event_id)
    if not access.may_edit:
        raise ForbiddenError("Only its host, a moderator or an admin may change an event")
    return await _lock(session, viewer=viewer, event_id=event_id)


async def move_up(session: AsyncSession, *, event: Event) -> list[UUID]:
    """Give free places of a locked event to the wait list and tell who got one."""
    moved = await places_taken.move_up(session, event=event)
    if moved:
        await notify(
            session,
            Notice(
                kind=NoticeKind.PLACE_FREED,
                subject_kind="event",
                subject_id=event.id,
                title="You have a place now",
                body=event.title,
                user_ids=moved,
            ),
        )
    return moved


async def _tell_attendees(session: AsyncSession, *, viewer: Viewer, event: Event, kind: NoticeKind, title: str) -> None:
    people = await session.scalars(
        select(EventAttendee.user_id).where(
            EventAttendee.event_id == event.id, EventAttendee.status != EventStatus.DECLINED
        )
    )
    await notify(
        session,
        Notice(
            kind=kind,
            actor_id=viewer.id,
            subject_kind="event",
            subject_id=event.id,
            title=f"An event that you answered was {title}",
            body=event.title,
            user_ids=list(people),
        ),
    )


def _columns(body: EventBody) -> dict[str, Any]:
    point = body.point
    return body.model_dump(exclude={"point", "connector_id"}) | {
        "latitude": point.latitude if point else None,
        "longitude": point.longitude if point else None,
    }


def _out(row: Any) -> EventOut:
    values = row._asdict()
    latitude, longitude = values.pop("latitude"), values.pop("longitude")
    point = Point(latitude=latitude, longitude=longitude) if latitude is not None else None
    cancelled = not values.pop("is_active")
    return EventOut(**values, point=point, cancelled=cancelled)
