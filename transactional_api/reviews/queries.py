"""Which reviews a viewer may see; the only way to load one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.connectors.schemas import TENDS
from transactional_api.db.tables import Connector, ConnectorMember, HelpfulVote, Review, User
from transactional_api.reviews.schemas import ReviewState
from transactional_api.users import queries as users


def tends(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer tends the connector of the enclosing statement."""
    role = ConnectorMember.role.in_(TENDS)
    mine = and_(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id == viewer.id, role)
    return exists().where(mine).correlate(Connector)


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may see the review, connector and writer of the enclosing statement.

    A hidden one is seen by its writer and by who may show it again.
    """
    shown = or_(Review.state == ReviewState.VISIBLE, Review.reviewer_id == viewer.id, tends(viewer))
    if viewer.moderates:
        shown = or_(shown, Review.state == ReviewState.HIDDEN)
    return (
        Review.is_active.is_(True)
        & connectors.may_see(viewer)
        & shown
        & users.not_blocked(viewer, Review.reviewer_id)
        & User.is_active.is_(True)
    )


def visible_to(viewer: Viewer) -> Select[Any]:
    """Return the reviews that the viewer may see, with all that ``ReviewOut`` shows, and whether they tend them."""
    voted = exists().where(HelpfulVote.review_id == Review.id, HelpfulVote.user_id == viewer.id).correlate(Review)
    columns = [column for column in Review.__table__.columns if column.name != "is_active"]
    return (
        select(
            *columns,
            User.username.label("reviewer_username"),
            voted.label("found_helpful"),
            tends(viewer).label("tended"),
        )
        .select_from(Review)
        .join(Connector, Connector.id == Review.connector_id)
        .join(User, User.id == Review.reviewer_id)
        .where(may_see(viewer))
    )
