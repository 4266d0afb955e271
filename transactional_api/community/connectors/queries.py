"""Visibility of connectors: the conditions and statements through which every connector is loaded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.core.db.tables import Ban, Connector, ConnectorMember, Invitation, JoinRequest, User
from transactional_api.core.db.text_matching import contains
from transactional_api.core.geography import Near, within
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json


def is_member(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer is a member of the connector of the enclosing statement."""
    viewer_membership = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return exists().where(viewer_membership).correlate_except(ConnectorMember)


def is_banned(user_id: InstrumentedAttribute[Any] | UUID) -> ColumnElement[bool]:
    """Whether a user is currently banned from the connector of the enclosing statement."""
    in_force = or_(Ban.end_date.is_(None), Ban.end_date > func.now())
    return exists().where(Ban.connector_id == Connector.id, Ban.user_id == user_id, in_force).correlate_except(Ban)


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer can see the connector of the enclosing statement.

    Members see it, and everybody else if it is public and they are not banned.
    """
    as_outsider = and_(Connector.is_public.is_(True), ~is_banned(viewer.id))
    return Connector.is_active.is_(True) & or_(is_member(viewer), as_outsider)


def visible_to(viewer: Viewer) -> Select[tuple[Connector]]:
    """Select the connectors that the viewer can see."""
    return select(Connector).where(may_see(viewer))


def with_role(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Select a visible connector and the viewer's role in it, or null."""
    viewer_membership = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    return (
        select(Connector, ConnectorMember.role)
        .outerjoin(ConnectorMember, viewer_membership)
        .where(may_see(viewer), Connector.id == connector_id)
    )


def to_join(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Select a connector that the viewer can see or is invited to, with their membership and invitation, or null."""
    viewer_membership = (ConnectorMember.connector_id == Connector.id) & (ConnectorMember.user_id == viewer.id)
    viewer_invitation = (Invitation.connector_id == Connector.id) & (Invitation.user_id == viewer.id)
    reachable = or_(may_see(viewer), and_(Connector.is_active.is_(True), Invitation.id.is_not(None)))
    return (
        select(Connector.join_policy, ConnectorMember, Invitation.id.label("invitation_id"))
        .select_from(Connector)
        .outerjoin(ConnectorMember, viewer_membership)
        .outerjoin(Invitation, viewer_invitation)
        .where(reachable, Connector.id == connector_id)
    )


def matching(
    statement: Select[Any], *, query: str | None, category: str | None, near: Near | None = None
) -> Select[Any]:
    """Narrow a statement by category, location, and a substring of the name or description."""
    if query:
        statement = statement.where(or_(contains(Connector.name, query), contains(Connector.description, query)))
    if category:
        statement = statement.where(Connector.category == category)
    if near:
        statement = statement.where(within(Connector.latitude, Connector.longitude, near))
    return statement


def of_interest(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the category of the enclosing statement's connector is one of the viewer's interests.

    Compares without regard to case and width, like ``neighborconnect.feed.interests.category_key``.
    """
    interests = func.search_fold(func.jsonb_array_elements_text(User.interests))
    return func.search_fold(Connector.category).in_(select(interests).where(User.id == viewer.id))


def select_public_columns(statement: Select[Any], viewer: Viewer) -> Select[Any]:
    """Select the columns of ``ConnectorOut`` instead of the entity."""
    point = func.jsonb_build_object("latitude", Connector.latitude, "longitude", Connector.longitude)
    role = select(ConnectorMember.role).where(
        ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id
    )
    requested = exists().where(JoinRequest.connector_id == Connector.id, JoinRequest.user_id == viewer.id)
    invited = exists().where(
        Invitation.connector_id == Connector.id,
        Invitation.user_id == viewer.id,
        users.not_blocked(viewer, Invitation.invited_by),
    )
    computed = {
        "point": case((Connector.latitude.is_not(None), point)).label("point"),
        "role": role.correlate_except(ConnectorMember).scalar_subquery().label("role"),
        "requested": requested.correlate_except(JoinRequest).label("requested"),
        "invited": invited.correlate_except(Invitation).label("invited"),
    }
    stored = (name for name in ConnectorOut.model_fields if name not in {"media", "image_url"})
    return statement.with_only_columns(
        *(computed[name] if name in computed else getattr(Connector, name) for name in stored)
    )


def members_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Select the members of a connector whom the viewer can see."""
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
            person_json().label("user"),
        )
        .join(User, User.id == ConnectorMember.user_id)
        .where(
            ConnectorMember.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id)
        )
    )


def requests_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Select the pending join requests of a connector."""
    return (
        select(
            JoinRequest.id,
            JoinRequest.user_id,
            JoinRequest.created_at,
            User.username,
            User.avatar_url,
            person_json().label("user"),
        )
        .join(User, User.id == JoinRequest.user_id)
        .where(JoinRequest.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id))
    )


def invitations_of(viewer: Viewer, *, connector_id: UUID) -> Select[Any]:
    """Select the pending invitations to a connector."""
    return (
        select(
            Invitation.id,
            Invitation.user_id,
            Invitation.invited_by,
            Invitation.created_at,
            User.username,
            User.avatar_url,
            person_json().label("user"),
        )
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.connector_id == connector_id, User.is_active.is_(True), users.not_blocked(viewer, User.id))
    )


def invitations_to(viewer: Viewer) -> Select[Any]:
    """Select the invitations that the viewer received, except those by blocked users."""
    return (
        select(
            Invitation.id,
            Invitation.connector_id,
            Invitation.invited_by,
            Invitation.created_at,
            Connector.name,
            Connector.description,
            Connector.category,
            Connector.media_id,
            Connector.member_count,
            person_json().label("inviter"),
        )
        .select_from(Invitation)
        .join(Connector, Connector.id == Invitation.connector_id)
        .join(User, User.id == Invitation.invited_by)
        .where(
            Invitation.user_id == viewer.id,
            Connector.is_active.is_(True),
            users.not_blocked(viewer, Invitation.invited_by),
        )
    )


def bans_of(connector_id: UUID) -> Select[Any]:
    """Select the bans of a connector, expired ones included."""
    return (
        select(
            Ban.id,
            Ban.user_id,
            Ban.reason,
            Ban.banned_by,
            Ban.created_at,
            Ban.end_date,
            User.username,
            person_json().label("user"),
        )
        .join(User, User.id == Ban.user_id)
        .where(Ban.connector_id == connector_id)
    )
