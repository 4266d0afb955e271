"""Sessions of browsers, which a cookie names instead of tokens."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import User, UserSession
from transactional_api.core.security import web_sessions as cookies
from transactional_api.core.security.callers import Caller
from transactional_api.core.security.tokens import Bearer
from transactional_api.identity.users import devices, service, sessions
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.schemas import Credentials, NewWebSession, WebSession


class OpenedWebSession(NamedTuple):
    """A session, and the response about it."""

    bearer: Bearer
    body: NewWebSession


async def log_in(
    session: AsyncSession, *, accounts: UserServices, credentials: Credentials, caller: Caller, user_agent: str | None
) -> OpenedWebSession:
    """Open a session by cookie; raises the errors of ``service.authenticate``."""
    user = await service.authenticate_login(session, accounts=accounts, credentials=credentials, caller=caller)
    bearer = await sessions.open_web_session(
        session, user_id=user.id, settings=accounts.settings, user_agent=user_agent
    )
    described = await describe(session, accounts=accounts, bearer=bearer)
    email = described.user.email
    await devices.remember(accounts, caller, email=email)
    device_token = devices.issue_token(accounts.cipher, email=email)
    return OpenedWebSession(bearer, NewWebSession(**dict(described), device_token=device_token))


async def describe(session: AsyncSession, *, accounts: UserServices, bearer: Bearer) -> WebSession:
    """Return the CSRF token, expiry and user of an existing session."""
    expires_at = await session.scalar(select(UserSession.expires_at).where(UserSession.id == bearer.session_id))
    assert expires_at is not None  # noqa: S101 (the session authenticated this request, or was just opened)
    user = await session.get_one(User, bearer.user_id)
    return WebSession(
        csrf_token=cookies.csrf_token(bearer.session_id, settings=accounts.settings),
        expires_at=expires_at,
        user=service.own_user(user, accounts=accounts),
    )
