"""Which connectors a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.tables import Ban, Connector, ConnectorMember, Invitation, JoinRequest, User
from transactional_api.places import Near, within
from transactional_api.text import contains_pattern
from transactional_api.users import queries as users


def is_member(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer belongs to the connector of the enclosing statement."""
    mine = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return exists().where(mine).correlate(Connector)


def is_banned(person: InstrumentedAttribute[Any] | UUID) -> ColumnElement[bool]:
    """Whether a person is banned now from the connector of the enclosing statement."""
    lasts = or_(Ban.ends_at.is_(None), Ban.ends_at > func.now())
    return exists().where(Ban.connector_id == Connector.id, Ban.user_id == person, lasts).correlate(Connector)


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the connector of the enclosing statement: theirs, or public without a ban."""
    from_outside = and_(Connector.is_public.is_(True), ~is_banned(viewer.id))
    return Connector.is_active.is_(True) & or_(is_member(viewer), from_outside)


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


def to_join(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Return a connector that the viewer may see or is invited to, with their membership and invitation or null."""
    mine = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    invited = (Invitation.connector_id == Connector.id) & (Invitation.user_id == viewer.id)
    reachable = or_(may_see(viewer), and_(Connector.is_active.is_(True), Invitation.id.is_not(None)))
    return (
        select(Connector.join_policy, ConnectorMember, Invitation.id.label("invitation_id"))
        .select_from(Connector)
        .outerjoin(ConnectorMember, mine)
        .outerjoin(Invitation, invited)
        .where(reachable, Connector.id == connector_id)
    )


def matching(
    statement: Select[Any], *, words: str | None, category: str | None, near: Near | None = None
) -> Select[Any]:
    """Narrow to connectors of ``category``, near, whose name or description contains ``words``."""
    if words:
        pattern = contains_pattern(words)
        statement = statement.where(or_(Connector.name.ilike(pattern), Connector.description.ilike(pattern)))
    if category:
        statement = statement.where(Connector.category == category)
    if near:
        statement = statement.where(within(Connector.latitude, Connector.longitude, near))
    return statement


def of_interest(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer named the category of the enclosing statement's connector among their interests."""
    interests = select(func.jsonb_array_elements_text(User.interests)).where(User.id == viewer.id)
    return Connector.category.in_(interests)


def shown(statement: Select[Any]) -> Select[Any]:
    """Select the columns of ``ConnectorOut`` instead of connectors, for a plain statement."""
    point = func.jsonb_build_object("latitude", Connector.latitude, "longitude", Connector.longitude)
    made = {"point": case((Connector.latitude.is_not(None), point)).label("point")}
    return statement.with_only_columns(
        *(made[name] if name in made else getattr(Connector, name) for name in ConnectorOut.model_fields)
    )


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


def requests_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Return who asks to join a connector."""
    return (
        select(JoinRequest.id, JoinRequest.user_id, JoinRequest.created_at, User.username, User.avatar_url)
        .join(User, User.id == JoinRequest.user_id)
        .where(JoinRequest.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id))
    )


def invitations_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Return who is invited to a connector."""
    return (
        select(
            Invitation.id,
            Invitation.user_id,
            Invitation.invited_by,
            Invitation.created_at,
            User.username,
            User.avatar_url,
        )
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id))
    )


def invitations_to(viewer: Viewer) -> Select[Any]:
    """Return the connectors that the viewer is invited to, but by whom they block."""
    return (
        select(
            Invitation.id,
            Invitation.connector_id,
            Invitation.invited_by,
            Invitation.created_at,
            Connector.name,
            Connector.description,
            Connector.category,
            Connector.image_url,
            Connector.member_count,
        )
        .join(Connector, Connector.id == Invitation.connector_id)
        .where(
            Invitation.user_id == viewer.id,
            Connector.is_active.is_(True),
            users.not_blocked(viewer, Invitation.invited_by),
        )
    )


def bans_of(connector_id: UUID) -> Select[Any]:
    """Return who is banned from a connector, and who was for a time that is over."""
    return (
        select(Ban.id, Ban.user_id, Ban.reason, Ban.banned_by, Ban.created_at, Ban.ends_at, User.username)
        .join(User, User.id == Ban.user_id)
        .where(Ban.connector_id == connector_id)
    )
