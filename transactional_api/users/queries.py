"""Which people a viewer may see, and how they are found.

Every statement that shows what somebody made passes ``not_blocked``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.db.tables import Block, Mute, User
from transactional_api.text import contains_pattern


def counts() -> ColumnElement[bool]:
    """Whether what the person of the enclosing statement does counts for rankings and ratings.

    Only of those who confirmed their address: anybody can open any number of accounts.
    """
    return User.verified.is_(True)


def not_blocked(viewer: Viewer, person: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether neither the viewer blocks the person of the enclosing statement, nor the other way round."""
    either = or_(
        and_(Block.blocker_id == viewer.id, Block.blocked_id == person),
        and_(Block.blocked_id == viewer.id, Block.blocker_id == person),
    )
    return ~exists().where(either).correlate(person.class_)


def not_muted(viewer: Viewer, person: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Whether the viewer has not muted the person of the enclosing statement; for feeds, not for lookups."""
    return ~exists().where(Mute.muter_id == viewer.id, Mute.muted_id == person).correlate(person.class_)


def visible_to(viewer: Viewer) -> Select[tuple[User]]:
    """Return the people that the viewer may see: whose account is open, with no block between the two."""
    return select(User).where(User.is_active.is_(True), not_blocked(viewer, User.id))


def matching(statement: Select[Any], *, words: str | None, neighborhood: str | None, city: str | None) -> Select[Any]:
    """Narrow to people whose names contain ``words`` and who live where it is asked."""
    if words:
        pattern = contains_pattern(words)
        names = (User.username, User.first_name, User.last_name)
        statement = statement.where(or_(*(name.ilike(pattern) for name in names)))
    if neighborhood:
        statement = statement.where(User.neighborhood == neighborhood)
    if city:
        statement = statement.where(User.city == city)
    return statement
