"""Which connectors a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, or_, select

from transactional_api.auth import Viewer
from transactional_api.db.tables import Connector, ConnectorMember, User
from transactional_api.text import contains_pattern
from transactional_api.users import queries as users


def is_member(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer belongs to the connector of the enclosing statement."""
    mine = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return exists().where(mine).correlate(Connector)


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the connector of the enclosing statement: it is public, or theirs."""
    return Connector.is_active.is_(True) & or_(Connector.is_public.is_(True), is_member(viewer))


def visible_to(viewer: Viewer) -> Select[tuple[Connector]]:
    """Return the connectors that the viewer may see."""
    return select(Connector).where(may_see(viewer))


def with_role(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Return a connector that the viewer may see, and the viewer's role in it or null."""
    mine = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return (
        select(Connector, ConnectorMember.role)
        .outerjoin(ConnectorMember, mine)
        .where(may_see(viewer), Connector.id == connector_id)
    )


def matching(statement: Select[Any], *, words: str | None, category: str | None) -> Select[Any]:
    """Narrow to connectors of ``category`` whose name or description contains ``words``."""
    if words:
        pattern = contains_pattern(words)
        statement = statement.where(or_(Connector.name.ilike(pattern), Connector.description.ilike(pattern)))
    if category:
        statement = statement.where(Connector.category == category)
    return statement


def members_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Return the members of a connector whom the viewer may see."""
    return (
        select(
            ConnectorMember.id,
            ConnectorMember.user_id,
            ConnectorMember.role,
            ConnectorMember.joined_at,
            User.username,
            User.first_name,
            User.last_name,
            User.avatar_url,
        )
        .join(User, User.id == ConnectorMember.user_id)
        .where(
            ConnectorMember.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id)
        )
    )
