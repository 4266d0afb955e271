"""Routes of ``/users/web-session``: sessions of browsers, by cookie instead of by tokens."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    CsrfTokenError,
    InvalidRequestError,
    OriginNotAllowedError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, web_session_of
from transactional_api.core.http.origins import may_use_cookies
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.security import web_sessions as cookies
from transactional_api.core.security.callers import CallerDep
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import sessions, web_sessions
from transactional_api.identity.users.account_routes import GUESSED, AccountsDep
from transactional_api.identity.users.schemas import Credentials, NewWebSession, RefreshRequest, WebSession
from transactional_api.identity.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.identity.users.service import SuspendedError, WrongCredentialsError
from transactional_api.identity.users.sessions import RefreshTokenError, RefreshTokenReusedError
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/users", tags=["account"], route_class=TransactionalRoute)

OWN = problem_responses(UnauthenticatedError)
WRITES = problem_responses(UnauthenticatedError, CsrfTokenError, OriginNotAllowedError)


@router.post(
    "/web-session",
    operation_id="createWebSession",
    summary="Log in by cookie",
    responses=problem_responses(
        WrongCredentialsError,
        SuspendedError,
        SecondFactorRequiredError,
        WrongCodeError,
        OriginNotAllowedError,
        TooManyAttemptsError,
        InvalidRequestError,
        UnavailableError,
    ),
)
async def create_web_session(
    *,
    credentials: Credentials,
    request: Request,
    response: Response,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
) -> NewWebSession:
    """Log in from a browser. The session is in an httpOnly cookie, which `EventSource` and `WebSocket` send as well.

    The errors are those of `POST /users/login`. Pages of origins that are not allowed cannot log in.
    """
    _require_allowed_origin(request)
    opened = await web_sessions.log_in(
        session,
        accounts=accounts,
        credentials=credentials,
        caller=caller,
        user_agent=request.headers.get("user-agent"),
    )
    cookies.set_cookie(response, opened.bearer, settings=accounts.settings)
    return opened.body


@router.post(
    "/web-session/exchange",
    operation_id="exchangeForWebSession",
    summary="Continue a session by cookie",
    dependencies=[GUESSED],
    responses=problem_responses(
        RefreshTokenError, RefreshTokenReusedError, OriginNotAllowedError, InvalidRequestError, TooManyAttemptsError
    ),
)
async def exchange_for_web_session(
    *, body: RefreshRequest, request: Request, response: Response, session: SessionDep, accounts: AccountsDep
) -> WebSession:
    """Continue the session of a refresh token by cookie, after registration or a login with another service.

    Its refresh tokens end; a later use of one ends the session.
    """
    _require_allowed_origin(request)
    bearer = await sessions.convert_to_web_session(
        session, refresh_token=body.refresh_token, settings=accounts.settings
    )
    cookies.set_cookie(response, bearer, settings=accounts.settings)
    return await web_sessions.describe(session, accounts=accounts, bearer=bearer)


@router.get("/web-session", operation_id="getWebSession", summary="Get the session of the cookie", responses=OWN)
async def get_web_session(
    request: Request, session: SessionDep, accounts: AccountsDep, viewer: CurrentUser
) -> WebSession:
    """Get the session of the cookie with its CSRF token, when a page loads."""
    _require_cookie(request, viewer)
    return await web_sessions.describe(session, accounts=accounts, bearer=web_session_of(request))


@router.post(
    "/web-session/renew", operation_id="renewWebSession", summary="Renew the session of the cookie", responses=WRITES
)
async def renew_web_session(
    request: Request, response: Response, session: SessionDep, accounts: AccountsDep, viewer: AuditedUser
) -> WebSession:
    """Extend the session of the cookie; several tabs may do so at once."""
    _require_cookie(request, viewer)
    bearer = web_session_of(request)
    await sessions.renew_web_session(session, viewer=viewer, settings=accounts.settings)
    cookies.set_cookie(response, bearer, settings=accounts.settings)
    return await web_sessions.describe(session, accounts=accounts, bearer=bearer)


@router.delete(
    "/web-session",
    operation_id="endWebSession",
    summary="Log out by cookie",
    status_code=204,
    responses=WRITES,
)
async def end_web_session(
    request: Request, response: Response, session: SessionDep, accounts: AccountsDep, viewer: AuditedUser
) -> None:
    """End the session of the cookie, and remove the cookie."""
    _require_cookie(request, viewer)
    await sessions.end(session, viewer=viewer, session_id=viewer.session_id)
    cookies.delete_cookie(response, settings=accounts.settings)


def _require_allowed_origin(request: Request) -> None:
    """Raise ``OriginNotAllowedError`` for a page that may not use the cookie which the request would set."""
    if "origin" in request.headers and not may_use_cookies(request):
        raise OriginNotAllowedError


def _require_cookie(request: Request, viewer: Viewer) -> None:
    """Raise ``UnauthenticatedError`` unless the request is authenticated by its cookie."""
    if "authorization" in request.headers or web_session_of(request).session_id != viewer.session_id:
        raise UnauthenticatedError("This request has no session cookie")
