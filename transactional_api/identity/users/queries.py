"""Visibility of users, and user search.

Every statement that returns content of a user includes ``not_blocked``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from transactional_api.core.db.tables import Block, Follow, Mute, User
from transactional_api.core.db.text_matching import contains
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.schemas import PublicUser


def has_verified_email() -> ColumnElement[bool]:
    """Whether the user of the enclosing statement verified their email address.

    Only their actions count in rankings and ratings, because anybody can create any number of accounts.
    """
    return User.verified.is_(True)


def not_blocked(viewer: Viewer, person: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether there is no block, in either direction, between the viewer and the user of the enclosing statement."""
    either = or_(
        and_(Block.blocker_id == viewer.id, Block.blocked_id == person),
        and_(Block.blocked_id == viewer.id, Block.blocker_id == person),
    )
    return ~exists().where(either).correlate_except(Block)


def not_muted(viewer: Viewer, person: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether the viewer has not muted the user of the enclosing statement; for feeds, not for lookups."""
    return ~exists().where(Mute.muter_id == viewer.id, Mute.muted_id == person).correlate_except(Mute)


def not_suspended(person: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether the user of the enclosing statement is not suspended now.

    For lists of offers that others may accept, not for lookups: earlier agreements stay visible.
    """
    suspended = aliased(User)
    return ~exists().where(suspended.id == person, suspended.suspended_until > func.now()).correlate_except(suspended)


def visible_to(viewer: Viewer) -> Select[tuple[User]]:
    """Select the users that the viewer may see: active accounts without a block in either direction."""
    return select(User).where(User.is_active.is_(True), not_blocked(viewer, User.id))


def relation_json(viewer: Viewer, person: Any = User.id) -> ColumnElement[Any]:
    """Return the JSON object of a ``Relation`` of the viewer to a user; null to themselves."""
    follows = exists().where(Follow.follower_id == viewer.id, Follow.followee_id == person)
    followed_by = exists().where(Follow.follower_id == person, Follow.followee_id == viewer.id)
    blocked = exists().where(Block.blocker_id == viewer.id, Block.blocked_id == person)
    relation = func.jsonb_build_object(
        "follows",
        follows.correlate_except(Follow),
        "followed_by",
        followed_by.correlate_except(Follow),
        "muted",
        ~not_muted(viewer, person),
        "blocked",
        blocked.correlate_except(Block),
    )
    return case((person != viewer.id, relation)).label("relation")


def select_profiles(statement: Select[Any], viewer: Viewer) -> Select[Any]:
    """Select the columns of ``UserProfile`` instead of the entity."""
    followers = select(func.count()).where(Follow.followee_id == User.id)
    following = select(func.count()).where(Follow.follower_id == User.id)
    return statement.with_only_columns(
        *(getattr(User, name) for name in PublicUser.model_fields),
        followers.correlate(User).scalar_subquery().label("follower_count"),
        following.correlate(User).scalar_subquery().label("following_count"),
        relation_json(viewer),
    )


def matching(statement: Select[Any], *, query: str | None, neighborhood: str | None, city: str | None) -> Select[Any]:
    """Filter by a part of a name (``query``) and by location."""
    if query:
        names = (User.username, User.first_name, User.last_name)
        statement = statement.where(or_(*(contains(name, query) for name in names)))
    if neighborhood:
        statement = statement.where(User.neighborhood == neighborhood)
    if city:
        statement = statement.where(User.city == city)
    return statement
