"""``/users``: accounts, sessions, profiles, search."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import StringConstraints

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.callers import CallerDep, is_platform
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import User
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep
from transactional_api.places import Point
from transactional_api.text import Line
from transactional_api.users import reputation, service, sessions
from transactional_api.users.account_routes import GUESSED, AccountsDep
from transactional_api.users.passwords import WeakPasswordError
from transactional_api.users.schemas import (
    Credentials,
    OwnUser,
    Profile,
    PublicUser,
    RefreshRequest,
    Registration,
    Session,
    StandingOut,
    Tokens,
)
from transactional_api.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.users.service import SuspendedError, UsernameTakenError, WrongCredentialsError
from transactional_api.users.sessions import RefreshTokenError
from transactional_api.users.throttle import TooManyAttemptsError
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/users", tags=["users"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(User.updated_at, User.id, path=None)


SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


async def _vouched(
    accounts: AccountsDep, caller: CallerDep, x_platform_token: Annotated[str | None, Header(max_length=200)] = None
) -> bool:
    """Return whether the platform itself registers somebody; raises ``ForbiddenError`` for a wrong token."""
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
    status_code=201,
    responses=declare(UsernameTakenError, WeakPasswordError, TooManyAttemptsError, ForbiddenError, InvalidRequestError),
)
async def register(
    *,
    registration: Registration,
    request: Request,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
    vouched: Annotated[bool, Depends(_vouched)],
) -> Session:
    """Open an account and log in to it. A letter asks to confirm the address.

    An address that has an account already gets the same answer, with a session that opens nothing, and a letter.
    """
    user_agent = request.headers.get("user-agent")
    return await service.register(
        session, accounts=accounts, registration=registration, caller=caller, user_agent=user_agent, vouched=vouched
    )


@router.post(
    "/login",
    operation_id="login",
    responses=declare(
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
    """Log in. An unknown address and a wrong password look the same."""
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
    dependencies=[GUESSED],
    responses=declare(RefreshTokenError, InvalidRequestError, TooManyAttemptsError),
)
async def refresh(body: RefreshRequest, session: SessionDep, accounts: AccountsDep) -> Tokens:
    """Trade a refresh token for new tokens. A token that comes a second time ends its whole session."""
    return await service.refresh(session, accounts=accounts, refresh_token=body.refresh_token)


@router.post("/logout", operation_id="logout", status_code=204, responses=declare(InvalidRequestError))
async def log_out(body: RefreshRequest, session: SessionDep) -> None:
    """End the session of a refresh token; its access tokens end with it."""
    await sessions.end_by_token(session, refresh_token=body.refresh_token)


@router.get("/profile", operation_id="getProfile", responses=declare(UnauthenticatedError))
async def own_profile(response: Response, session: SessionDep, accounts: AccountsDep, viewer: ViewerDep) -> OwnUser:
    """Get your own profile."""
    return tagged(response, await service.own_profile(session, accounts=accounts, viewer=viewer))


@router.put(
    "/profile",
    operation_id="replaceProfile",
    dependencies=[VERSION],
    responses=declare(StaleError, UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def replace_profile(
    profile: Profile, response: Response, session: SessionDep, accounts: AccountsDep, writer: WriterDep
) -> OwnUser:
    """Replace your own profile; what is left out is cleared."""
    return tagged(response, await service.replace_profile(session, accounts=accounts, viewer=writer, profile=profile))


@router.put(
    "/profile/home",
    operation_id="replaceHome",
    responses=declare(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def replace_home(home: Point, session: SessionDep, accounts: AccountsDep, writer: WriterDep) -> OwnUser:
    """Say where you live. It is kept sealed; others know the H3 cell of about five square kilometres around it."""
    return await service.replace_home(session, accounts=accounts, viewer=writer, home=home)


@router.delete(
    "/profile/home",
    operation_id="forgetHome",
    responses=declare(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError),
)
async def forget_home(session: SessionDep, accounts: AccountsDep, writer: WriterDep) -> OwnUser:
    """Let us forget where you live."""
    return await service.replace_home(session, accounts=accounts, viewer=writer, home=None)


@router.get(
    "/search",
    operation_id="searchUsers",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def search(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    q: Annotated[SearchText | None, Query(description="Part of a name.", examples=["ada"])] = None,
    neighborhood: Annotated[SearchText | None, Query(examples=["Park Slope"])] = None,
    city: Annotated[SearchText | None, Query(examples=["New York"])] = None,
) -> Page[PublicUser]:
    """Find people by name and place, the newest first."""
    return await service.search(session, viewer=viewer, page=page, words=q, neighborhood=neighborhood, city=city)


@router.get(
    "/reputation/history",
    operation_id="listReputationHistory",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def reputation_history(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[StandingOut]:
    """List how your standing changed, the last first. It is counted anew every night."""
    return await reputation.history(session, viewer=viewer, page=page)


@router.get(
    "/{user_id}",
    operation_id="getUser",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def profile_of(user_id: UUID, session: SessionDep, viewer: ViewerDep) -> PublicUser:
    """Get a neighbour's public profile."""
    return await service.profile_of(session, viewer=viewer, user_id=user_id)
