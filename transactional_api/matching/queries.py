"""Rules that match people when no model does, as SQL over a bounded number of candidates.

Every statement returns ``key, score, reason`` with the best first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, select, union

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.tables import Connector, ConnectorMember, Follow, User
from transactional_api.users import queries as users

CANDIDATES = 100
"""Of each source. Each costs a look at what they share; rules that cost more than the model make a bad moment worse."""


def neighbours(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match people by shared interests, shared connectors and neighbourhood; those whom the viewer follows aside."""
    theirs = func.jsonb_array_elements_text(User.interests).table_valued("value")
    shared = (
        select(func.count())
        .select_from(theirs)
        .where(theirs.c.value.in_(_interests(viewer)))
        .correlate(User)
        .scalar_subquery()
    )
    together = (
        select(func.count())
        .where(ConnectorMember.user_id == User.id, ConnectorMember.connector_id.in_(_mine(viewer)))
        .correlate(User)
        .scalar_subquery()
    )
    near = _nearness(viewer)
    reason = case((shared > 0, "shared_interests"), (together > 0, "shared_connectors"), else_="neighbours")
    return _best(
        _people(viewer).with_only_columns(
            User.id.label("key"),
            (shared + 0.5 * func.least(together, 4) + near).label("score"),
            reason.label("reason"),
        ),
        limit=limit,
    )


def near(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match people by where they say that they live."""
    nearness = _nearness(viewer)
    reason = case((nearness >= 1, "same_neighborhood"), else_="same_city")
    return _best(
        _people(viewer)
        .with_only_columns(User.id.label("key"), nearness.label("score"), reason.label("reason"))
        .where(nearness > 0),
        limit=limit,
    )


def friends(viewer: Viewer, *, among: Sequence[UUID]) -> Select[Any]:
    """Return the ids of those who follow the viewer, are followed by them, and are visible to them."""
    followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    following = select(Follow.follower_id).where(Follow.followee_id == viewer.id)
    both = (User.id.in_(among), User.id.in_(followed), User.id.in_(following))
    return users.visible_to(viewer).with_only_columns(User.id).where(*both)


def communities(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match connectors that the viewer is not in by their interests and by whom they follow in them."""
    followees = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    known = (
        select(func.count())
        .where(ConnectorMember.connector_id == Connector.id, ConnectorMember.user_id.in_(followees))
        .correlate(Connector)
        .scalar_subquery()
    )
    wanted = case((connectors.of_interest(viewer), 1.0), else_=0.0)
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
            (wanted + 0.5 * func.least(known, 4)).label("score"),
            case((wanted > 0, "your_interests"), else_="people_you_follow").label("reason"),
        )
        .where(~connectors.is_member(viewer), Connector.id.in_(candidates)),
        limit=limit,
    )


def interests(viewer: Viewer, *, limit: int) -> Select[Any]:
    """Match interests that the viewer did not name by how many of those they share connectors with named them."""
    others = (
        select(ConnectorMember.user_id)
        .where(ConnectorMember.connector_id.in_(_mine(viewer)), ConnectorMember.user_id != viewer.id)
        .distinct()
        .limit(CANDIDATES)
        .subquery()
    )
    theirs = func.jsonb_array_elements_text(User.interests).table_valued("value").lateral()
    number = func.count(User.id.distinct())
    return (
        select(
            theirs.c.value.label("key"),
            number.label("score"),
            literal("people_in_your_connectors").label("reason"),
        )
        .select_from(User)
        .join(others, others.c.user_id == User.id)
        .join(theirs, literal(value=True))
        .where(
            User.is_active.is_(True),
            users.not_blocked(viewer, User.id),
            theirs.c.value.not_in(_interests(viewer)),
        )
        .group_by(theirs.c.value)
        .order_by(number.desc(), theirs.c.value)
        .limit(limit)
    )


def _people(viewer: Viewer) -> Select[Any]:
    """Return those among whom to look: co-members and people of the same place, bounded, not yet followed."""
    members = (
        select(ConnectorMember.user_id.label("id"))
        .where(ConnectorMember.connector_id.in_(_mine(viewer)))
        .distinct()
        .limit(CANDIDATES)
    )
    places = [
        select(User.id).where(column == literal(value)).order_by(User.created_at.desc()).limit(CANDIDATES)
        for column, value in ((User.neighborhood, viewer.neighborhood), (User.city, viewer.city))
        if value is not None
    ]
    followed = select(Follow.followee_id).where(Follow.follower_id == viewer.id)
    return users.visible_to(viewer).where(
        User.id.in_(union(members, *places)), User.id != viewer.id, User.id.not_in(followed)
    )


def _nearness(viewer: Viewer) -> ColumnElement[float]:
    return case(
        (User.neighborhood == literal(viewer.neighborhood), 1.0), (User.city == literal(viewer.city), 0.5), else_=0.0
    )


def _interests(viewer: Viewer) -> Select[Any]:
    me = User.__table__.alias("me")
    return select(func.jsonb_array_elements_text(me.c.interests)).where(me.c.id == viewer.id)


def _mine(viewer: Viewer) -> Select[Any]:
    mine = ConnectorMember.__table__.alias("mine")
    return select(mine.c.connector_id).where(mine.c.user_id == viewer.id)


def _best(statement: Select[Any], *, limit: int) -> Select[Any]:
    found = statement.subquery()
    return select(found).order_by(found.c.score.desc(), found.c.key).limit(limit)
