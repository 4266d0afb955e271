"""Events: creation, listing, changes and cancellation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import any_, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.event_times import is_over
from transactional_api.community.connectors import service as connectors
from transactional_api.community.connectors.access import lock_shared
from transactional_api.community.connectors.schemas import MODERATOR_ROLES, Role
from transactional_api.community.events import capacity, queries, reminders
from transactional_api.community.events.schemas import (
    AttendeeStatus,
    EventBody,
    EventOut,
    EventPatch,
    NewEvent,
    OwnEvents,
)
from transactional_api.core.compiled_queries import IDS, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Event, EventAttendee
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.geography import Near, Point, within
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.webhooks import WebhookEvent, publish
from transactional_api.identity.users.mentions import mention

_EVENTS_BY_ID = CompiledStatement(queries.visible_to(VIEWER_PLACEHOLDER).where(Event.id == any_(IDS)))


class EventCancelledError(Problem):
    """The event was cancelled."""

    status, code, title = 409, "event_cancelled", "This event was cancelled"


class RsvpsPausedError(Problem):
    """The host is suspended; the response does not disclose it."""

    status, code, title = 409, "rsvps_paused", "This event does not accept RSVPs at the moment"


class CapacityTooLowError(Problem):
    """The new capacity is lower than the number of attendees."""

    status, code, title = 409, "capacity_too_low", "The capacity would be lower than the number of attendees"


@dataclass(frozen=True, slots=True)
class EventAccess:
    """A visible event's properties that decide what the viewer can do with it."""

    is_host: bool
    hides_attendees: bool
    role: Role | None

    @property
    def can_edit(self) -> bool:
        """Whether the viewer is the host or a moderator of the connector."""
        return self.is_host or self.role in MODERATOR_ROLES


async def create(session: AsyncSession, *, viewer: Viewer, body: NewEvent) -> EventOut:
    """Create an event in a connector that the viewer is a member of.

    Raises:
        NotFoundError: the viewer cannot see the connector.
        ForbiddenError: they are not a member of it.
    """
    await lock_shared(session, connector_id=body.connector_id)
    connector = await connectors.get(session, viewer=viewer, connector_id=body.connector_id)
    if connector.role is None:
        raise ForbiddenError("Join the connector to create an event in it")
    event_id = await session.scalar(
        insert(Event)
        .values(
            connector_id=body.connector_id, created_by=viewer.id, **await _columns(session, viewer=viewer, body=body)
        )
        .returning(Event.id)
    )
    assert event_id is not None  # noqa: S101 (the insert returned it)
    await request_screening(session, SubjectKind.EVENT, event_id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.EVENT_CREATED,
            actor_id=viewer.id,
            subject_kind="event",
            subject_id=event_id,
            connector_id=body.connector_id,
        ),
    )
    await mention(
        session,
        actor_id=viewer.id,
        subject=(SubjectKind.EVENT, event_id),
        text=f"{body.title} {body.description or ''}",
    )
    await reminders.schedule_reminder(session, event_id=event_id, start=body.start_date)
    await publish(session, WebhookEvent.EVENT_CREATED, [event_id])
    return await get(session, viewer=viewer, event_id=event_id)


async def get(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> EventOut:
    """Return an event; raises ``NotFoundError`` if the viewer cannot see it."""
    row = (await session.execute(queries.visible_to(viewer).where(Event.id == event_id))).one_or_none()
    if row is None:
        raise NotFoundError
    return _out(row)


async def get_many(runner: StatementRunner, *, viewer: Viewer, event_ids: Sequence[UUID]) -> dict[UUID, EventOut]:
    """Return the events that the viewer can see, by id."""
    return by_id(await _EVENTS_BY_ID.all(runner, viewer_id=viewer.id, ids=list(event_ids)) if event_ids else [])


def by_id(rows: Sequence[Any]) -> dict[UUID, EventOut]:
    """Return events by id from rows of ``queries.visible_to``."""
    return {row.id: _out(row) for row in rows}


async def list_events(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    connector_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    near: Near | None = None,
) -> Page[EventOut]:
    """List events that accept RSVPs, ordered by start time.

    Events end after ``since`` (default: now) and start before ``until``. With ``near``, only events with a point within
    the radius; with ``connector_id``, only events of this connector (``NotFoundError`` if the viewer cannot see it).
    """
    statement = queries.visible_to(viewer).where(
        queries.accepts_rsvps(), queries.ends_after(since or datetime.now(UTC))
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


async def list_own(session: AsyncSession, *, viewer: Viewer, page: PageRequest, part: OwnEvents) -> Page[EventOut]:
    """List a part of the viewer's events, canceled ones included: past ones latest first, others soonest first."""
    statement = queries.own(viewer, part)
    paged = page.select(statement, at=Event.start_date, row_id=Event.id, newest_first=part is OwnEvents.PAST)
    return page.of((await session.execute(paged)).all(), _out, at="start_date")


async def replace(session: AsyncSession, *, viewer: Viewer, event_id: UUID, body: EventBody) -> EventOut:
    """Replace the editable fields, promote from the waitlist if the capacity grows, and notify the attendees.

    Raises:
        ForbiddenError: the viewer is neither the host nor a moderator of the connector.
        EventCancelledError: the event was cancelled.
        CapacityTooLowError: more users attend than the new capacity.
    """
    event = await _lock_to_edit(session, viewer=viewer, event_id=event_id)
    if body.max_attendees is not None and event.attendee_count > body.max_attendees:
        raise CapacityTooLowError
    if body.start_date != event.start_date:
        await reminders.schedule_reminder(session, event_id=event_id, start=body.start_date)
    before = f"{event.title} {event.description or ''}"
    for name, value in (await _columns(session, viewer=viewer, body=body, present=event.media_ids)).items():
        setattr(event, name, value)
    event.updated_at = datetime.now(UTC)
    await session.flush()
    await request_screening(session, SubjectKind.EVENT, event_id)
    await mention(
        session,
        actor_id=viewer.id,
        subject=(SubjectKind.EVENT, event_id),
        text=f"{body.title} {body.description or ''}",
        before=before,
    )
    await _notify_attendees(session, actor_id=viewer.id, event=event, kind=NoticeKind.EVENT_CHANGED)
    await publish(session, WebhookEvent.EVENT_CHANGED, [event_id])
    await promote_from_waitlist(session, event=event)
    return await get(session, viewer=viewer, event_id=event_id)


async def change(session: AsyncSession, *, viewer: Viewer, event_id: UUID, patch: EventPatch) -> EventOut:
    """Replace the fields that a patch has; raises what ``replace`` does.

    The route has locked the row.
    """
    present = await get(session, viewer=viewer, event_id=event_id)
    body = patch.applied_to(present, body=EventBody)
    return await replace(session, viewer=viewer, event_id=event_id, body=body)


async def cancel(session: AsyncSession, *, viewer: Viewer, event_id: UUID) -> None:
    """Cancel an event and notify its attendees; it stays visible as cancelled.

    The host can do this even if they can no longer see the event.
    """
    event = await _lock_to_edit(session, viewer=viewer, event_id=event_id, or_own=True)
    await cancel_locked(session, event=event, actor_id=viewer.id)


async def cancel_locked(session: AsyncSession, *, event: Event, actor_id: UUID | None) -> None:
    """Cancel a locked event and notify the users with an RSVP.

    Without ``actor_id``, no block suppresses the notification.
    """
    event.is_active = False
    event.updated_at = datetime.now(UTC)
    await session.flush()
    await _notify_attendees(session, actor_id=actor_id, event=event, kind=NoticeKind.EVENT_CANCELLED)
    await publish(session, WebhookEvent.EVENT_CANCELLED, [event.id])


async def get_event_access(
    session: AsyncSession, *, viewer: Viewer, event_id: UUID, or_own: bool = False
) -> EventAccess:
    """Return the viewer's access to an event.

    Raises ``NotFoundError`` if they cannot see it (nor host it, with ``or_own``).
    """
    row = (await session.execute(queries.with_role(viewer, event_id=event_id, or_own=or_own))).one_or_none()
    if row is None:
        raise NotFoundError
    return EventAccess(
        is_host=row.created_by == viewer.id,
        hides_attendees=row.hides_attendees,
        role=Role(row.role) if row.role else None,
    )


async def lock(session: AsyncSession, *, viewer: Viewer, event_id: UUID, or_paused: bool = False) -> Event:
    """Lock a visible event to change an RSVP.

    Raises:
        EventCancelledError: the event is cancelled.
        RsvpsPausedError: the host is suspended, unless ``or_paused``.
    """
    event = await capacity.lock_event(session, event_id=event_id)
    # Checked under the lock: an earlier ban or block has removed the permission, a later one sees the RSVP.
    await get_event_access(session, viewer=viewer, event_id=event_id)
    if event is None:
        raise EventCancelledError
    accepts_rsvps = select(Event.id).where(Event.id == event_id, queries.accepts_rsvps())
    if not or_paused and await session.scalar(accepts_rsvps) is None:
        raise RsvpsPausedError
    return event


async def _lock_to_edit(session: AsyncSession, *, viewer: Viewer, event_id: UUID, or_own: bool = False) -> Event:
    event = await capacity.lock_event(session, event_id=event_id)
    access = await get_event_access(session, viewer=viewer, event_id=event_id, or_own=or_own)
    if not access.can_edit:
        raise ForbiddenError("Only its host, a moderator or an admin may change an event")
    if event is None:
        raise EventCancelledError
    return event


async def promote_from_waitlist(session: AsyncSession, *, event: Event) -> list[UUID]:
    """Promote from the waitlist of a locked event and notify the promoted users; nobody is promoted once it is over."""
    if not event.is_active or is_over(event.start_date, event.end_date, at=datetime.now(UTC)):
        return []
    promoted = await capacity.promote_from_waitlist(session, event=event)
    if promoted:
        await notify(
            session,
            Notice(
                kind=NoticeKind.PLACE_FREED,
                subject_kind="event",
                subject_id=event.id,
                user_ids=promoted,
            ),
        )
    return promoted


async def _notify_attendees(session: AsyncSession, *, actor_id: UUID | None, event: Event, kind: NoticeKind) -> None:
    user_ids = await session.scalars(
        select(EventAttendee.user_id).where(
            EventAttendee.event_id == event.id,
            EventAttendee.status != AttendeeStatus.DECLINED,
            EventAttendee.user_id.is_distinct_from(actor_id),
        )
    )
    cancelled = kind is NoticeKind.EVENT_CANCELLED
    await notify(
        session,
        Notice(
            kind=kind,
            # Attendees are notified even if the host's account or the event's text is hidden from them.
            actor_id=None if cancelled else actor_id,
            subject_kind="event",
            subject_id=event.id,
            body=event.title if cancelled else "",
            user_ids=list(user_ids),
        ),
    )


async def _columns(
    session: AsyncSession, *, viewer: Viewer, body: EventBody, present: Collection[str] = ()
) -> dict[str, Any]:
    point = body.point
    media_ids = await references_to(session, viewer=viewer, media_ids=body.media_ids, present=present)
    return body.model_dump(exclude={"point", "connector_id"}) | {
        "media_ids": media_ids,
        "latitude": point.latitude if point else None,
        "longitude": point.longitude if point else None,
    }


def _out(row: Any) -> EventOut:
    values = row._asdict()
    latitude, longitude = values.pop("latitude"), values.pop("longitude")
    point = Point(latitude=latitude, longitude=longitude) if latitude is not None else None
    cancelled = not values.pop("is_active")
    return EventOut(**values, point=point, cancelled=cancelled)
