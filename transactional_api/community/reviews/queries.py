"""Visibility of reviews: the conditions and statements through which every review is loaded."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.connectors.schemas import MODERATOR_ROLES
from transactional_api.community.reviews.schemas import ReviewState
from transactional_api.core.db.tables import Connector, ConnectorMember, HelpfulVote, Review, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.people import person_json


def can_moderate(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer is a moderator of the connector of the enclosing statement."""
    role = ConnectorMember.role.in_(MODERATOR_ROLES)
    membership = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id, role)
    return exists().where(membership).correlate(Connector)


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer can see the review, connector and author of the enclosing statement.

    A hidden review is visible to its author and to moderators.
    """
    shown = or_(Review.state == ReviewState.VISIBLE, Review.reviewer_id == viewer.id, can_moderate(viewer))
    if viewer.is_moderator:
        shown = or_(shown, Review.state == ReviewState.HIDDEN)
    return (
        Review.is_active.is_(True)
        & connectors.may_see(viewer)
        & shown
        & users.not_blocked(viewer, Review.reviewer_id)
        & User.is_active.is_(True)
    )


def visible_to(viewer: Viewer) -> Select[Any]:
    """Select the reviews that the viewer can see, with the fields of ``ReviewOut`` and whether they moderate them."""
    voted = exists().where(HelpfulVote.review_id == Review.id, HelpfulVote.user_id == viewer.id).correlate(Review)
    columns = [column for column in Review.__table__.columns if column.name != "is_active"]
    return (
        select(
            *columns,
            person_json().label("author"),
            voted.label("viewer_voted_helpful"),
            can_moderate(viewer).label("can_moderate"),
        )
        .select_from(Review)
        .join(Connector, Connector.id == Review.connector_id)
        .join(User, User.id == Review.reviewer_id)
        .where(may_see(viewer))
    )
