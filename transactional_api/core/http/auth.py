"""Authentication dependencies: the user of a request, with auditing and idempotency."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import bindparam, func, select
from starlette.requests import HTTPConnection

from neighborconnect.settings import Settings
from transactional_api.core.audit import trail
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.db.tables import User, UserSession
from transactional_api.core.errors import (
    CsrfTokenError,
    InsufficientScopeError,
    OriginNotAllowedError,
    Problem,
    UnauthenticatedError,
)
from transactional_api.core.http import idempotency, scopes
from transactional_api.core.http.origins import may_use_cookies
from transactional_api.core.http.rate_limits import READS
from transactional_api.core.security import web_sessions
from transactional_api.core.security.tokens import Bearer, read_access_token
from transactional_api.core.viewer import Viewer, is_account_active

bearer_credentials = HTTPBearer(auto_error=False, description="The `access_token` of register, login or refresh.")


class SessionCookie(APIKeyCookie):
    """The session cookie of a browser, as a dependency that the OpenAPI document describes."""

    def __init__(self) -> None:
        super().__init__(
            name=web_sessions.SECURE_COOKIE,
            auto_error=False,
            description=f"Set by `POST /users/web-session`; `{web_sessions.COOKIE}` where the API has no HTTPS. "
            f"Writes send `{web_sessions.CSRF_HEADER}` as well.",
        )

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Return the cookie of a request."""
        return cookie_of(request)


def cookie_of(connection: HTTPConnection) -> str | None:
    """Return the session cookie of a request or handshake."""
    return connection.cookies.get(web_sessions.cookie_name(connection.app.state.settings))


session_cookie = SessionCookie()

# Compiled once, because every request runs it.
_SELECT_VIEWER = CompiledStatement(
    select(
        User.id,
        User.neighborhood,
        User.city,
        User.role,
        UserSession.id.label("session_id"),
        User.personalised,
        User.analysed,
        UserSession.scopes,
        User.verified,
    )
    .join(UserSession, UserSession.user_id == User.id)
    .where(
        User.id == bindparam("user_id"),
        UserSession.id == bindparam("session_id"),
        UserSession.expires_at > func.now(),
        is_account_active(),
    )
)


async def find_viewer(runner: StatementRunner, *, token: str, settings: Settings) -> Viewer:
    """Return the user of an access token.

    Raises:
        UnauthenticatedError: when the token is not valid, its session ended, or the account is closed or suspended.
    """
    return await find_session_viewer(runner, bearer=read_access_token(token, settings=settings))


async def find_session_viewer(runner: StatementRunner, *, bearer: Bearer) -> Viewer:
    """Return the user of a session; raises ``UnauthenticatedError`` when it ended or the account is suspended."""
    named = {"user_id": bearer.user_id, "session_id": bearer.session_id}
    row = await _SELECT_VIEWER.one_or_none(runner, **named)
    if row is None:
        raise UnauthenticatedError("This session has ended, or the account is closed or suspended")
    return Viewer(*row)


class EmailNotVerifiedError(Problem):
    """The email address of the account is not verified, so no login method may be added."""

    status, code, title = 403, "email_not_verified", "Verify your email address first"


def require_verified_email(user: Viewer | User) -> None:
    """Raise ``EmailNotVerifiedError`` unless the user verified their email address."""
    if not user.verified:
        raise EmailNotVerifiedError


async def find_first_party_viewer(runner: StatementRunner, *, token: str, settings: Settings) -> Viewer:
    """Return the user of a first-party access token; raises ``UnauthenticatedError`` for tokens of apps."""
    viewer = await find_viewer(runner, token=token, settings=settings)
    if viewer.scopes is not None:
        raise UnauthenticatedError("Third-party apps may not call this")
    return viewer


async def viewer_of(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_credentials)],
    cookie: Annotated[str | None, Depends(session_cookie)],
) -> Viewer:
    """Return the user that a request acts for; see ``authorize``. A bearer token takes precedence over a cookie."""
    if credentials is None and cookie is None:
        raise UnauthenticatedError
    # Before the transaction of the request, which is then no longer than its own work.
    async with request.app.state.psycopg_pool.autocommit() as runner:
        if credentials is not None:
            return await authorize(request, runner, token=credentials.credentials)
        viewer = await find_session_viewer(runner, bearer=web_session_of(request))
        return await _admit(request, viewer)


def web_session_of(request: Request) -> Bearer:
    """Return the session of the cookie of a request.

    Raises:
        UnauthenticatedError: when there is no cookie, or it is not valid.
        OriginNotAllowedError: when a page of another origin writes.
        CsrfTokenError: when a write lacks the CSRF token of the session.
    """
    settings: Settings = request.app.state.settings
    bearer = web_sessions.unseal(cookie_of(request) or "", settings=settings)
    if bearer is None:
        raise UnauthenticatedError("The session cookie is not valid")
    if request.method not in READS:
        if "origin" in request.headers and not may_use_cookies(request):
            raise OriginNotAllowedError
        token = request.headers.get(web_sessions.CSRF_HEADER, "")
        if not web_sessions.is_csrf_token(token, bearer.session_id, settings=settings):
            raise CsrfTokenError
    return bearer


async def authorize(request: Request, runner: StatementRunner, *, token: str) -> Viewer:
    """Return the user that an access token acts for, and count the request against their rate limits.

    Raises:
        UnauthenticatedError: when the token is not valid.
        RateLimitedError: when they sent too many requests to this endpoint.
        InsufficientScopeError: when a third party's app acts for them that may not do this.
    """
    return await _admit(request, await find_viewer(runner, token=token, settings=request.app.state.settings))


async def _admit(request: Request, viewer: Viewer) -> Viewer:
    await request.app.state.rate_limits.count(request, viewer.id, viewer.session_id)
    require_scope(request, viewer)
    return viewer


def require_scope(request: Request, viewer: Viewer) -> None:
    """Raise ``InsufficientScopeError`` when an app lacks the scope of the endpoint."""
    if viewer.scopes is not None and scopes.needed(request) not in viewer.scopes:
        raise InsufficientScopeError


CurrentUser = Annotated[Viewer, Depends(viewer_of)]
"""Authenticated user; for reads."""


async def _audited(session: SessionDep, viewer: CurrentUser) -> Viewer:
    trail.acts(session, viewer.id)
    return viewer


AuditedUser = Annotated[Viewer, Depends(_audited)]
"""Authenticated user whose change is audited; for writes without ``Idempotency-Key``."""


async def _idempotent(
    request: Request, session: SessionDep, viewer: CurrentUser, key: idempotency.KeyHeader = None
) -> Viewer:
    if key is not None:
        await idempotency.claim(request, session=session, user_id=viewer.id, key=key)
    return viewer


IdempotentUser = Annotated[Viewer, Depends(_idempotent)]
"""Authenticated user with an optional ``Idempotency-Key``; for writes that are not audited."""


async def _writer(session: SessionDep, viewer: IdempotentUser) -> Viewer:
    trail.acts(session, viewer.id)
    return viewer


WritingUser = Annotated[Viewer, Depends(_writer)]
"""Authenticated user with an optional ``Idempotency-Key``, whose change is audited; for writes."""
