"""Which events a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, ConnectorMember, Event, EventAttendee, User
from transactional_api.events.schemas import EventStatus
from transactional_api.users import queries as users


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the event and connector of the enclosing statement; cancelled ones are seen, too."""
    return connectors.may_see(viewer) & users.not_blocked(viewer, Event.created_by)


def visible_to(viewer: Viewer) -> Select[Any]:
    """Return the events that the viewer may see, with all that ``EventOut`` shows."""
    mine = and_(EventAttendee.event_id == Event.id, EventAttendee.user_id == viewer.id)
    return (
        select(*Event.__table__.columns, Connector.name.label("connector_name"), EventAttendee.status)
        .select_from(Event)
        .join(Connector, Connector.id == Event.connector_id)
        .outerjoin(EventAttendee, mine)
        .where(may_see(viewer))
    )


def with_role(viewer: Viewer, *, event_id: UUID) -> Select[Any]:
    """Return a visible event's host, whether they hide who comes, and the viewer's role in its connector."""
    mine = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id)
    return (
        select(Event.created_by, Event.hides_attendees, ConnectorMember.role)
        .join(Connector, Connector.id == Event.connector_id)
        .outerjoin(ConnectorMember, mine)
        .where(may_see(viewer), Event.id == event_id)
    )


def attendees_of(viewer: Viewer, *, event_id: UUID) -> Select[Any]:
    """Return who answered anything but no, without those whom the viewer may not see."""
    return (
        select(
            EventAttendee.id,
            EventAttendee.user_id,
            EventAttendee.status,
            EventAttendee.guests,
            EventAttendee.joined_at,
            User.username,
            User.avatar_url,
        )
        .join(User, User.id == EventAttendee.user_id)
        .where(
            EventAttendee.event_id == event_id,
            EventAttendee.status != EventStatus.DECLINED,
            User.is_active.is_(True),
            or_(User.id == viewer.id, users.not_blocked(viewer, User.id)),
        )
    )
