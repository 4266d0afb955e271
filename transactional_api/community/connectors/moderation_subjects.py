"""Registration of connectors as a subject of moderation."""

from __future__ import annotations

from transactional_api.community.connectors import queries
from transactional_api.core.db.tables import Connector
from transactional_api.core.moderation import Subject, SubjectKind, register

CONNECTOR = register(
    SubjectKind.CONNECTOR,
    Subject(
        Connector.id,
        Connector.created_by,
        (Connector.name, Connector.category, Connector.description, Connector.rules),
        queries.visible_to,
        Connector.is_active,
        # A false alarm must not close a connector that others belong to; a moderator may.
        may_hold=Connector.member_count <= 1,
    ),
)
