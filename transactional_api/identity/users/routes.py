"""Routes of ``/users``: registration, login, profiles and search."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import StringConstraints

from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import User
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.geography import Point
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.language import RequestedLanguageDep
from transactional_api.core.media.references import ATTACHING, ForeignLinkError
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.security.callers import CallerDep, is_platform
from transactional_api.core.security.passwords import WeakPasswordError
from transactional_api.core.text import Line
from transactional_api.identity.users import reputation_history as reputation
from transactional_api.identity.users import service, sessions
from transactional_api.identity.users.account_routes import GUESSED, AccountsDep
from transactional_api.identity.users.schemas import (
    Credentials,
    OwnUser,
    Profile,
    ProfilePatch,
    RefreshRequest,
    Registration,
    ReputationChangeOut,
    Session,
    Tokens,
    UserProfile,
)
from transactional_api.identity.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.identity.users.service import (
    SuspendedError,
    UsernameReservedError,
    UsernameTakenError,
    WrongCredentialsError,
)
from transactional_api.identity.users.sessions import RefreshTokenError, RefreshTokenReusedError
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/users", tags=["users"], route_class=TransactionalRoute)

IF_MATCH = require_if_match(User.updated_at, User.id, path=None)


SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


async def _is_platform(
    accounts: AccountsDep, caller: CallerDep, x_platform_token: Annotated[str | None, Header(max_length=200)] = None
) -> bool:
    """Return whether the platform itself registers the user; raises ``ForbiddenError`` for a wrong token."""
    if x_platform_token is None:
        return False
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    if not is_platform(accounts.settings, x_platform_token):
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise ForbiddenError
    return True


@router.post(
    "/register",
    operation_id="register",
    summary="Register",
    status_code=201,
    responses=problem_responses(
        UsernameTakenError,
        UsernameReservedError,
        WeakPasswordError,
        TooManyAttemptsError,
        ForbiddenError,
        InvalidRequestError,
        ForeignLinkError,
    ),
)
async def register(
    *,
    registration: Registration,
    request: Request,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
    language: RequestedLanguageDep,
    by_platform: Annotated[bool, Depends(_is_platform)],
) -> Session:
    """Create an account and log in. An email verifies the address.

    An address that already has an account gets the same response with an invalid session, and an email.
    """
    user_agent = request.headers.get("user-agent")
    return await service.register(
        session,
        accounts=accounts,
        registration=registration,
        caller=caller,
        user_agent=user_agent,
        language=language,
        is_platform=by_platform,
    )


@router.post(
    "/login",
    operation_id="login",
    summary="Log in",
    responses=problem_responses(
        WrongCredentialsError,
        SuspendedError,
        SecondFactorRequiredError,
        WrongCodeError,
        TooManyAttemptsError,
        InvalidRequestError,
        UnavailableError,
    ),
)
async def log_in(
    credentials: Credentials, request: Request, session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> Session:
    """Log in. The response is the same for an unknown address and a wrong password."""
    return await service.log_in(
        session,
        accounts=accounts,
        credentials=credentials,
        caller=caller,
        user_agent=request.headers.get("user-agent"),
    )


@router.post(
    "/refresh",
    operation_id="refresh",
    summary="Refresh tokens",
    dependencies=[GUESSED],
    responses=problem_responses(RefreshTokenError, RefreshTokenReusedError, InvalidRequestError, TooManyAttemptsError),
)
async def refresh(body: RefreshRequest, session: SessionDep, accounts: AccountsDep) -> Tokens:
    """Exchange a refresh token for new tokens.

    A repeated exchange within a few seconds, by another tab or after a lost response, returns the same refresh token.
    A later one, or one after the new token was exchanged, ends the session (`refresh_token_reused`).
    """
    return await service.refresh(session, accounts=accounts, refresh_token=body.refresh_token)


@router.post(
    "/logout",
    operation_id="logout",
    summary="Log out",
    status_code=204,
    responses=problem_responses(InvalidRequestError),
)
async def log_out(body: RefreshRequest, session: SessionDep) -> None:
    """End the session of a refresh token, including its access tokens."""
    await sessions.end_by_token(session, refresh_token=body.refresh_token)


@router.get(
    "/profile", operation_id="getProfile", summary="Get your profile", responses=problem_responses(UnauthenticatedError)
)
async def own_profile(response: Response, session: SessionDep, accounts: AccountsDep, viewer: CurrentUser) -> OwnUser:
    """Return your profile."""
    return set_etag(response, await service.own_profile(session, accounts=accounts, viewer=viewer))


@router.put(
    "/profile",
    operation_id="replaceProfile",
    summary="Replace your profile",
    dependencies=[IF_MATCH],
    responses=problem_responses(
        PreconditionFailedError, UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError, *ATTACHING
    ),
)
async def replace_profile(
    profile: Profile, response: Response, session: SessionDep, accounts: AccountsDep, writer: WritingUser
) -> OwnUser:
    """Replace your profile; omitted fields are cleared."""
    return set_etag(response, await service.replace_profile(session, accounts=accounts, viewer=writer, profile=profile))


@router.patch(
    "/profile",
    operation_id="changeProfile",
    summary="Change your profile",
    dependencies=[IF_MATCH],
    responses=problem_responses(
        PreconditionFailedError, UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError, *ATTACHING
    ),
)
async def change_profile(
    patch: ProfilePatch, response: Response, session: SessionDep, accounts: AccountsDep, writer: WritingUser
) -> OwnUser:
    """Change the given fields of your profile."""
    return set_etag(response, await service.change_profile(session, accounts=accounts, viewer=writer, patch=patch))


@router.put(
    "/profile/home",
    operation_id="replaceHome",
    summary="Set your home location",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def replace_home(home: Point, session: SessionDep, accounts: AccountsDep, writer: WritingUser) -> OwnUser:
    """Store your home location encrypted. Other users see only its H3 cell of about five square kilometers."""
    return await service.replace_home(session, accounts=accounts, viewer=writer, home=home)


@router.delete(
    "/profile/home",
    operation_id="deleteHome",
    summary="Delete your home location",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def delete_home(session: SessionDep, accounts: AccountsDep, writer: WritingUser) -> OwnUser:
    """Delete your home location."""
    return await service.replace_home(session, accounts=accounts, viewer=writer, home=None)


@router.get(
    "/search",
    operation_id="searchUsers",
    summary="Search users",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def search(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    q: Annotated[SearchText | None, Query(description="Part of a name.", examples=["ada"])] = None,
    neighborhood: Annotated[SearchText | None, Query(examples=["Park Slope"])] = None,
    city: Annotated[SearchText | None, Query(examples=["New York"])] = None,
) -> Page[UserProfile]:
    """Search users by name and location, newest first."""
    return await service.search(session, viewer=viewer, page=page, query=q, neighborhood=neighborhood, city=city)


@router.get(
    "/reputation/history",
    operation_id="listReputationHistory",
    summary="List your reputation history",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def reputation_history(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[ReputationChangeOut]:
    """List changes of your reputation, newest first. It is recalculated every night."""
    return await reputation.history(session, viewer=viewer, page=page)


@router.get(
    "/{user_id}",
    operation_id="getUser",
    summary="Get a user",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def profile_of(user_id: UUID, session: SessionDep, viewer: CurrentUser) -> UserProfile:
    """Return the public profile of a user."""
    return await service.profile_of(session, viewer=viewer, user_id=user_id)
