"""Registration of events as a subject of moderation."""

from __future__ import annotations

from transactional_api.community.events import queries
from transactional_api.core.db.tables import Event
from transactional_api.core.moderation import Subject, SubjectKind, in_visible_connector, register

EVENT = register(
    SubjectKind.EVENT,
    Subject(
        Event.id,
        Event.created_by,
        (Event.title, Event.description, Event.location),
        in_visible_connector(Event, Event.connector_id, queries.may_see),
        Event.is_active,
    ),
)
