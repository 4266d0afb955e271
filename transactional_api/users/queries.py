"""Which people a viewer may see, and how they are found."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, or_, select

from transactional_api.auth import Viewer
from transactional_api.db.tables import User
from transactional_api.text import contains_pattern


def visible_to(_viewer: Viewer) -> Select[tuple[User]]:
    """Return the people that the viewer may see: everyone whose account is open."""
    return select(User).where(User.is_active.is_(True))


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
