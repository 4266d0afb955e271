"""Visibility of events: the conditions and statements through which every event is loaded."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true
from sqlalchemy.orm import aliased

from neighborconnect.contracts.event_times import DEFAULT_DURATION
from transactional_api.community.connectors import queries as connectors
from transactional_api.community.events.schemas import AttendeeStatus, OwnEvents
from transactional_api.core.compiled_queries import viewer_of
from transactional_api.core.db.tables import Connector, ConnectorMember, Event, EventAttendee, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json

_RENAMED = {"created_by"}
"""Columns that ``EventOut`` shows under another name."""


def ends_after(instant: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the event ends after an instant, as in ``event_times.is_over``; written so that indexes apply."""
    without_end = and_(Event.end_date.is_(None), Event.start_date > instant - DEFAULT_DURATION)
    return or_(Event.end_date > instant, without_end)


NOT_OVER: ColumnElement[bool] = ends_after(func.now())
"""Whether the event is ongoing or in the future."""


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer can see the event and connector of the enclosing statement, cancelled events included."""
    return connectors.may_see(viewer) & users.not_blocked(viewer, Event.created_by)


def accepts_rsvps() -> ColumnElement[bool]:
    """Whether the event of the enclosing statement is not cancelled and its host not suspended."""
    return Event.is_active.is_(True) & users.not_suspended(Event.created_by)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Select the events that the viewer can see, with the fields of ``EventOut``."""
    host = aliased(User)
    viewer_rsvp = and_(EventAttendee.event_id == Event.id, EventAttendee.user_id == viewer.id)
    columns = [column for column in Event.__table__.columns if column.name not in _RENAMED]
    return (
        select(
            *columns,
            Connector.name.label("connector_name"),
            person_json(host).label("host"),
            EventAttendee.status.label("viewer_status"),
            EventAttendee.guests.label("viewer_guest_count"),
        )
        .select_from(Event)
        .join(Connector, Connector.id == Event.connector_id)
        .join(host, host.id == Event.created_by)
        .outerjoin(EventAttendee, viewer_rsvp)
        .where(may_see(viewer))
    )


def own(viewer: Viewer, part: OwnEvents) -> Select[Any]:
    """Select a part of the viewer's events: they host them, or answered them otherwise than by declining."""
    hosts = Event.created_by == viewer.id
    goes = EventAttendee.status != AttendeeStatus.DECLINED.value
    if part is OwnEvents.PAST:
        # Of an event without an end, the comparison with its end is null.
        return visible_to(viewer).where(or_(hosts, goes), ~func.coalesce(NOT_OVER, false()))
    return visible_to(viewer).where(hosts if part is OwnEvents.HOSTING else goes, NOT_OVER)


def with_role(viewer: Viewer, *, event_id: UUID, or_own: bool = False) -> Select[Any]:
    """Select a visible event's host, its attendee list setting, and the viewer's role in its connector.

    With ``or_own``, an event that the viewer hosts is returned even if they can no longer see it, so that they can
    cancel it.
    """
    visible = may_see(viewer) | (Event.created_by == viewer.id) if or_own else may_see(viewer)
    viewer_membership = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id)
    return (
        select(Event.created_by, Event.hides_attendees, ConnectorMember.role)
        .join(Connector, Connector.id == Event.connector_id)
        .outerjoin(ConnectorMember, viewer_membership)
        .where(visible, Event.id == event_id)
    )


def attendees_without_access(event_id: UUID) -> Select[Any]:
    """Select the users with an RSVP to an event that they can no longer see, or whose account is closed.

    Empty while moderation hides the connector, because that is reversible.
    """
    return (
        select(EventAttendee.user_id)
        .join(Event, Event.id == EventAttendee.event_id)
        .join(Connector, Connector.id == Event.connector_id)
        .join(User, User.id == EventAttendee.user_id)
        .where(
            EventAttendee.event_id == event_id,
            EventAttendee.status != AttendeeStatus.DECLINED,
            Connector.is_active.is_(True),
            or_(User.is_active.is_(False), ~may_see(viewer_of(EventAttendee.user_id))),
        )
    )


def attendees_of(viewer: Viewer, *, event_id: UUID, can_edit: bool) -> Select[Any]:
    """Select the attendees of an event, except those who declined or whom the viewer cannot see.

    Users who can edit the event see everyone: a block must not shield anyone from moderation.
    """
    visible = true() if can_edit else or_(User.id == viewer.id, users.not_blocked(viewer, User.id))
    return (
        select(
            EventAttendee.id,
            EventAttendee.user_id,
            EventAttendee.status,
            EventAttendee.guests.label("guest_count"),
            EventAttendee.joined_at,
            User.username,
            User.avatar_url,
            person_json().label("user"),
        )
        .join(User, User.id == EventAttendee.user_id)
        .where(
            EventAttendee.event_id == event_id,
            EventAttendee.status != AttendeeStatus.DECLINED,
            User.is_active.is_(True),
            visible,
        )
    )
