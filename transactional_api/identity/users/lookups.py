"""Look-ups of users by ids and username, and the availability of usernames."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import User
from transactional_api.core.errors import NotFoundError
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.security.callers import Caller
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries, throttle, usernames
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.schemas import UsernameAvailability, UsernameUse, UserProfile
from transactional_api.identity.users.service import is_username_taken


async def list_by_ids(
    session: AsyncSession, *, viewer: Viewer, ids: Sequence[UUID], page: PageRequest
) -> Page[UserProfile]:
    """List those of the users whom the viewer can see, newest account first."""
    statement = queries.select_profiles(queries.visible_to(viewer), viewer).where(User.id.in_(ids))
    rows = (await session.execute(page.select(statement, at=User.created_at, row_id=User.id))).all()
    return page.of(rows, UserProfile.model_validate)


async def by_username(session: AsyncSession, *, viewer: Viewer, username: str) -> UserProfile:
    """Return the profile of a user by name; raises ``NotFoundError`` if the viewer cannot see them."""
    statement = queries.select_profiles(queries.visible_to(viewer), viewer).where(User.username == username)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError
    return UserProfile.model_validate(row)


async def username_availability(
    session: AsyncSession, *, accounts: UserServices, caller: Caller, username: str
) -> UsernameAvailability:
    """Return whether a username can be registered; raises ``TooManyAttemptsError`` after too many requests."""
    await accounts.throttle.count(throttle.USERNAMES, caller.network)
    if usernames.is_reserved(username):
        use = UsernameUse.RESERVED
    elif await is_username_taken(session, accounts=accounts, username=username):
        use = UsernameUse.TAKEN
    else:
        use = UsernameUse.AVAILABLE
    return UsernameAvailability(username=username, use=use)
