"""Fallback matching rules, as SQL over a bounded number of candidates.

Every statement returns ``key, score, reason``, best first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, select, union

from transactional_api.community.connectors import queries as connectors
from transactional_api.core.db.tables import Connector, ConnectorMember, Follow, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

CANDIDATES = 100
"""Candidates per source: bounds the cost of the fallback, which runs while the model is down."""


def neighbors(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match users by shared interests, shared connectors and neighborhood, except those whom the viewer follows."""
    theirs = func.jsonb_array_elements_text(User.interests).table_valued("value")
    shared = (
        select(func.count())
        .select_from(theirs)
        .where(func.search_fold(theirs.c.value).in_(_interests(viewer)))
        .correlate(User)
        .scalar_subquery()
    )
    together = (
        select(func.count())
        .where(ConnectorMember.user_id == User.id, ConnectorMember.connector_id.in_(_viewer_connectors(viewer)))
        .correlate(User)
        .scalar_subquery()
    )
    near = _nearness(viewer)
    reason = case((shared > 0, "shared_interests"), (together > 0, "shared_connectors"), else_="neighbors")
    return _best(
        _candidates(viewer).with_only_columns(
            User.id.label("key"),
            (shared + 0.5 * func.least(together, 4) + near).label("score"),
            reason.label("reason"),
        ),
        limit=limit,
    )


def nearby(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match users by stated neighborhood and city."""
    nearness = _nearness(viewer)
    reason = case((nearness >= 1, "same_neighborhood"), else_="same_city")
    return _best(
        _candidates(viewer)
        .with_only_columns(User.id.label("key"), nearness.label("score"), reason.label("reason"))
        .where(nearness > 0),
        limit=limit,
    )


def mutual_follows(viewer: Viewer, *, among: Sequence[UUID]) -> Select[Any]:
    """Select the ids of visible users who follow the viewer and are followed by them."""
    followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    following = select(Follow.follower_id).where(Follow.followee_id == viewer.id)
    both = (User.id.in_(among), User.id.in_(followed), User.id.in_(following))
    return users.visible_to(viewer).with_only_columns(User.id).where(*both)


def communities(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match connectors that the viewer can join, by stated interests and by followed members."""
    followees = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    followed_members = (
        select(func.count())
        .where(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id.in_(followees))
        .correlate(Connector)
        .scalar_subquery()
    )
    interest = case((connectors.of_interest(viewer), 1.0), else_=0.0)
    by_interest = (
        select(Connector.id)
        .where(connectors.of_interest(viewer))
        .order_by(Connector.member_count.desc(), Connector.id)
        .limit(CANDIDATES)
    )
    by_people = (
        select(ConnectorMember.connector_id).where(ConnectorMember.user_id.in_(followees)).distinct().limit(CANDIDATES)
    )
    candidates = union(by_interest, by_people)
    return _best(
        connectors.visible_to(viewer)
        .with_only_columns(
            Connector.id.label("key"),
            (interest + 0.5 * func.least(followed_members, 4)).label("score"),
            case((interest > 0, "your_interests"), else_="people_you_follow").label("reason"),
        )
        .where(~connectors.is_member(viewer), Connector.id.in_(candidates)),
        limit=limit,
    )


def interests(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match interests that the viewer has not stated, by number of co-members who state them."""
    others = (
        select(ConnectorMember.user_id)
        .where(ConnectorMember.connector_id.in_(_viewer_connectors(viewer)), ConnectorMember.user_id != viewer.id)
        .distinct()
        .limit(CANDIDATES)
        .subquery()
    )
    theirs = func.jsonb_array_elements_text(User.interests).table_valued("value").lateral()
    folded = func.search_fold(theirs.c.value)
    number = func.count(User.id.distinct())
    return (
        select(
            func.min(theirs.c.value).label("key"),
            number.label("score"),
            literal("people_in_your_connectors").label("reason"),
        )
        .select_from(User)
        .join(others, others.c.user_id == User.id)
        .join(theirs, literal(value=True))
        .where(
            User.is_active.is_(True),
            users.not_blocked(viewer, User.id),
            folded.not_in(_interests(viewer)),
        )
        .group_by(folded)
        .order_by(number.desc(), folded)
        .limit(limit)
    )


def _candidates(viewer: Viewer) -> Select[Any]:
    """Select verified candidate users: co-members and users of the same neighborhood or city, not followed, bounded."""
    members = (
        select(ConnectorMember.user_id.label("id"))
        .where(ConnectorMember.connector_id.in_(_viewer_connectors(viewer)))
        .distinct()
        .limit(CANDIDATES)
    )
    residents = [
        select(User.id).where(column == literal(value)).order_by(User.created_at.desc()).limit(CANDIDATES)
        for column, value in ((User.neighborhood, viewer.neighborhood), (User.city, viewer.city))
        if value is not None
    ]
    followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    return users.visible_to(viewer).where(
        User.id.in_(union(members, *residents)),
        User.id != viewer.id,
        User.id.not_in(followed),
        users.has_verified_email(),
    )


def _nearness(viewer: Viewer) -> ColumnElement[float]:
    return case(
        (User.neighborhood == literal(viewer.neighborhood), 1.0), (User.city == literal(viewer.city), 0.5), else_=0.0
    )


def _interests(viewer: Viewer) -> Select[Any]:
    me = User.__table__.alias("me")
    return select(func.search_fold(func.jsonb_array_elements_text(me.c.interests))).where(me.c.id == viewer.id)


def _viewer_connectors(viewer: Viewer) -> Select[Any]:
    membership = ConnectorMember.__table__.alias("viewer_membership")
    return select(membership.c.connector_id).where(membership.c.user_id == viewer.id)


def _best(statement: Select[Any], *, limit: int) -> Select[Any]:
    scored = statement.subquery()
    return select(scored).order_by(scored.c.score.desc(), scored.c.key).limit(limit)
