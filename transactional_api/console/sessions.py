"""Sessions of the console: those of the API, named by a cookie, with a token against cross-site requests on each form.

The cookie holds an access token. Each page renews it, so that a session ends ``access_token_minutes`` after the last
page, and ``MAX_SESSION`` after the login. The browser receives no refresh token.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response

from neighborconnect.settings import Settings
from transactional_api.core.audit import trail
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.errors import ForbiddenError, Problem, UnauthenticatedError
from transactional_api.core.http.auth import find_first_party_viewer
from transactional_api.core.http.rate_limits import READS
from transactional_api.core.security import web_sessions
from transactional_api.core.security.tokens import Bearer, issue_access_token
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import sessions

PREFIX: Final = "/console"
SESSION_COOKIE: Final = "console_session"
DEVICE_COOKIE: Final = "console_device"
LOGIN_COOKIE: Final = "console_login"
CSRF_FIELD: Final = "csrf_token"
MAX_SESSION: Final = timedelta(hours=12)
STAFF: Final = "neighborconnect.console.staff"
"""Key of the authenticated viewer in the ASGI scope, for pages of errors."""
_DEVICE_SECONDS: Final = 365 * 86_400
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SAME_ORIGIN: Final = frozenset({"same-origin", "none"})


class LoginRequiredError(Exception):
    """The request has no session that may use the console; the response is the login page."""


class CrossSiteError(Problem):
    """The form was not sent by a page of the console of this session."""

    status, code, title = 403, "cross_site_request", "This form is out of date; open the page again"


async def staff_of(request: Request, session: SessionDep) -> Viewer:
    """Return the moderator or admin of the request's cookie.

    Raises:
        LoginRequiredError: without a session.
        RateLimitedError: after too many requests.
        ForbiddenError: when they are neither a moderator nor an admin.
        CrossSiteError: when a page of another origin sends the request, or a write has no token of its session.
    """
    _refuse_other_origins(request)
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        raise LoginRequiredError
    try:
        viewer = await find_first_party_viewer(SessionRunner(session), token=token, settings=_settings(request))
    except UnauthenticatedError:
        raise LoginRequiredError from None
    if not await sessions.is_younger_than(session, session_id=viewer.session_id, age=MAX_SESSION):
        raise LoginRequiredError
    await request.app.state.rate_limits.count(request, viewer.id, viewer.session_id)
    if not viewer.is_moderator:
        raise ForbiddenError("Only moderators and admins of the platform may use the console")
    request.scope[STAFF] = viewer
    if request.method not in READS:
        await require_csrf(request, subject=viewer.session_id)
        trail.acts(session, viewer.id)
    return viewer


Staff = Annotated[Viewer, Depends(staff_of)]
"""Moderator or admin of the platform. Writes are audited."""


async def _admin(viewer: Staff) -> Viewer:
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may open this page")
    return viewer


Admin = Annotated[Viewer, Depends(_admin)]
"""Admin of the platform. Writes are audited."""


async def _audited_admin(session: SessionDep, viewer: Admin) -> Viewer:
    trail.acts(session, viewer.id)
    return viewer


AuditedAdmin = Annotated[Viewer, Depends(_audited_admin)]
"""Admin of the platform whose reads are audited, too; for data of users."""


def csrf_token(settings: Settings, *, subject: UUID) -> str:
    """Return the token of the forms of a session, or of a login page."""
    return web_sessions.csrf_token(subject, settings=settings)


async def require_csrf(request: Request, *, subject: UUID) -> None:
    """Check that a page of the console sent the form.

    Raises:
        CrossSiteError: otherwise.
    """
    given = (await request.form()).get(CSRF_FIELD)
    if not isinstance(given, str) or not web_sessions.is_csrf_token(given, subject, settings=_settings(request)):
        raise CrossSiteError


async def require_login_csrf(request: Request) -> None:
    """Check that the form is that of the login page in this browser; raises ``CrossSiteError`` otherwise."""
    try:
        subject = UUID(request.cookies.get(LOGIN_COOKIE, ""))
    except ValueError:
        raise CrossSiteError from None
    _refuse_other_origins(request)
    await require_csrf(request, subject=subject)


def _refuse_other_origins(request: Request) -> None:
    """Refuse requests of scripts and forms of other origins, even those that may call the API; a link may open a page.

    A browser sends the cookie to pages of the same site, such as another port of this machine. It adds ``Origin`` to a
    read only if a script of another origin sends it.
    """
    headers, is_read = request.headers, request.method in READS
    origin_host = headers.get("origin", "").partition("://")[2]
    is_foreign_read = is_read and "origin" in headers and origin_host != headers.get("host")
    follows_link = (
        is_read and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    is_own = headers.get("sec-fetch-site", "none") in _SAME_ORIGIN or follows_link
    if is_foreign_read or not is_own:
        raise CrossSiteError


def renew(request: Request, response: Response, viewer: Viewer) -> None:
    """Set the session cookie with a new access token of the session."""
    token = issue_access_token(Bearer(viewer.id, viewer.session_id), settings=_settings(request))
    response.set_cookie(SESSION_COOKIE, token, **_options(request))


def begin_login(request: Request, response: Response, *, nonce: UUID) -> None:
    """Set the cookie of a login page: the random value that connects its form with this browser."""
    response.set_cookie(LOGIN_COOKIE, str(nonce), **_options(request))


def finish_login(request: Request, response: Response, *, bearer: Bearer, device_token: str) -> None:
    """Set the cookies of a new session."""
    token = issue_access_token(bearer, settings=_settings(request))
    response.set_cookie(SESSION_COOKIE, token, **_options(request))
    response.set_cookie(DEVICE_COOKIE, device_token, max_age=_DEVICE_SECONDS, **_options(request))
    response.delete_cookie(LOGIN_COOKIE, path=PREFIX)


def forget(response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(SESSION_COOKIE, path=PREFIX)


def _options(request: Request) -> dict[str, Any]:
    return {"path": PREFIX, "httponly": True, "samesite": "strict", "secure": _is_secure(request)}


def _is_secure(request: Request) -> bool:
    """Return whether browsers may send cookies over TLS only: always, except to a stack on this machine."""
    is_local = request.url.hostname in _LOOPBACK
    return not is_local or urlsplit(_settings(request).public_url).scheme == "https"


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings
