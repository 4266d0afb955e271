"""Routes of ``/users``: users by ids and username, and the availability of usernames."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import MAX_LIMIT, Page, PageDep
from transactional_api.core.security.callers import CallerDep
from transactional_api.identity.users import lookups
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.schemas import Username, UsernameAvailability, UserProfile
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/users", tags=["users"], route_class=TransactionalRoute)


@router.get(
    "",
    operation_id="listUsers",
    summary="List users by ids",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def list_users(
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    ids: Annotated[
        list[UUID],
        Query(
            min_length=1,
            max_length=MAX_LIMIT,
            description="As a repeated parameter; unknown and hidden ones are omitted.",
        ),
    ],
) -> Page[UserProfile]:
    """Return the profiles of up to 100 users."""
    return await lookups.list_by_ids(session, viewer=viewer, ids=ids, page=page)


@router.get(
    "/by-username",
    operation_id="getUserByUsername",
    summary="Get a user by username",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def by_username(
    session: SessionDep, viewer: CurrentUser, username: Annotated[Username, Query(examples=["ada.okafor"])]
) -> UserProfile:
    """Return the public profile of a user, by their username in any case."""
    return await lookups.by_username(session, viewer=viewer, username=username)


@router.get(
    "/username-availability",
    operation_id="getUsernameAvailability",
    summary="Get the availability of a username",
    responses=problem_responses(InvalidRequestError, TooManyAttemptsError),
)
async def username_availability(
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
    username: Annotated[Username, Query(examples=["ada.okafor"])],
) -> UsernameAvailability:
    """Return whether a username can be registered now, for a registration form."""
    return await lookups.username_availability(session, accounts=accounts, caller=caller, username=username)
