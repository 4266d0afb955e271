"""Login, logout and static files of the console."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import uuid4

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from transactional_api.console import sessions as console_sessions
from transactional_api.console.pages import RefusedFormError, assets, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import DEVICE_COOKIE, PREFIX, Staff, csrf_token, require_login_csrf
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.http.auth import find_session_viewer
from transactional_api.core.security.callers import Caller, CallerDep
from transactional_api.identity.users import sessions, web_sessions
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.schemas import Credentials

router = APIRouter(prefix=PREFIX, route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/moderation"
_LOGIN: Final = f"{PREFIX}/login"
_OWN_PATH: Final = re.compile(r"/console(/[\w./-]*)?(\?[\w.=&%-]*)?", re.ASCII)
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


class IncompleteLoginError(Problem):
    """The form has no valid address or no password."""

    status, code, title = 422, "incomplete_login", "Enter the email address and the password of your account"


@router.get("")
async def home() -> RedirectResponse:
    """Lead to the first page."""
    return redirect(HOME)


@router.get("/static/{name}")
async def static_file(name: str, v: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Return a static file; the version in links to it lets browsers store it."""
    asset = assets().get(name)
    if asset is None:
        raise NotFoundError
    headers = {"Cache-Control": _IMMUTABLE} if v == asset.digest else {}
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/login")
async def login_page(request: Request, next: Annotated[str, Query(max_length=2_000)] = "") -> Response:  # noqa: A002 (the parameter's name)
    """Show the login form."""
    return _login_page(request, wanted=next)


@router.post("/login")
async def log_in(
    request: Request,
    session: SessionDep,
    accounts: AccountsDep,
    caller: CallerDep,
    *,
    email: Annotated[str, Form(max_length=500)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    code: Annotated[str, Form(max_length=100)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "",  # noqa: A002 (the field's name)
) -> Response:
    """Open a session of a moderator or an admin."""
    await require_login_csrf(request)
    try:
        opened = await web_sessions.log_in(
            session,
            accounts=accounts,
            credentials=_credentials(email=email, password=password, code=code.strip()),
            caller=Caller(caller.network, request.cookies.get(DEVICE_COOKIE)),
            user_agent=request.headers.get("user-agent"),
        )
        viewer = await find_session_viewer(SessionRunner(session), bearer=opened.bearer)
        if not viewer.is_moderator:
            raise ForbiddenError("Only moderators and admins of the platform may use the console")
    except Problem as problem:
        raise RefusedFormError(_login_page(request, wanted=next, problem=problem, email=email)) from problem
    response = redirect(next if _OWN_PATH.fullmatch(next) else HOME)
    console_sessions.finish_login(request, response, bearer=opened.bearer, device_token=opened.body.device_token)
    return response


@router.post("/logout")
async def log_out(session: SessionDep, viewer: Staff) -> Response:
    """End the session."""
    await sessions.end(session, viewer=viewer, session_id=viewer.session_id)
    response = redirect(_LOGIN)
    console_sessions.forget(response)
    return response


def _credentials(**fields: str) -> Credentials:
    try:
        return Credentials.model_validate({name: value for name, value in fields.items() if value})
    except ValidationError:
        raise IncompleteLoginError from None


def _login_page(request: Request, *, wanted: str, problem: Problem | None = None, email: str = "") -> HTMLResponse:
    nonce = uuid4()
    response = page(
        request,
        "login.html",
        status=problem.status if problem else 200,
        csrf_token=csrf_token(request.app.state.settings, subject=nonce),
        problem=problem,
        email=email,
        wanted=wanted if _OWN_PATH.fullmatch(wanted) else "",
    )
    console_sessions.begin_login(request, response, nonce=nonce)
    return response
