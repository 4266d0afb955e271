"""Third-party apps and the authorization code flow (RFC 6749 with PKCE, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import OAuthApp, OAuthCode, RefreshToken, User, UserSession
from transactional_api.core.errors import NotFoundError
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer, is_account_active
from transactional_api.identity.oauth.schemas import AppOut, AppTokens, NewApp, NewAppOut, is_safe_redirect
from transactional_api.identity.users import recovery, sessions
from transactional_api.identity.users.recovery import Change
from transactional_api.identity.users.schemas import Tokens
from transactional_api.identity.users.sessions import Grant, RefreshTokenError, hash_token

CODE_LIFETIME = timedelta(minutes=1)


class TokenRefusedError(Exception):
    """A token request is refused; ``error`` is an error code of RFC 6749."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """Authorization code of a token request, with the redirect URI and the PKCE verifier."""

    code: str
    redirect_uri: str
    verifier: str


async def register(session: AsyncSession, *, viewer: Viewer, body: NewApp) -> NewAppOut:
    """Register an app of the viewer."""
    secret = secrets.token_urlsafe(32) if body.confidential else None
    app = await session.scalar(
        insert(OAuthApp)
        .values(
            owner_id=viewer.id,
            name=body.name,
            redirect_uris=body.redirect_uris,
            secret_hash=hash_token(secret) if secret else None,
        )
        .returning(OAuthApp)
    )
    assert app is not None  # noqa: S101 (it was just inserted)
    await request_screening(session, SubjectKind.APP, app.id)
    return NewAppOut(**AppOut.model_validate(app).model_dump(), client_secret=secret)


async def list_apps(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[AppOut]:
    """List the viewer's apps, newest first."""
    statement = page.select(
        select(OAuthApp).where(OAuthApp.owner_id == viewer.id), at=OAuthApp.created_at, row_id=OAuthApp.id
    )
    rows = (await session.scalars(statement)).all()
    return page.of(rows, AppOut.model_validate)


async def remove(session: AsyncSession, *, viewer: Viewer, app_id: UUID) -> None:
    """Delete an app of the viewer and all its access; raises ``NotFoundError`` for an unknown app."""
    deleted = delete(OAuthApp).where(OAuthApp.id == app_id, OAuthApp.owner_id == viewer.id).returning(OAuthApp.id)
    if await session.scalar(deleted.execution_options(synchronize_session=False)) is None:
        raise NotFoundError


async def app_for(session: AsyncSession, *, client_id: str, redirect_uri: str) -> OAuthApp:
    """Return the app that registered ``redirect_uri``; otherwise raise ``NotFoundError`` instead of redirecting."""
    app = await _app(session, client_id)
    if app is None or redirect_uri not in app.redirect_uris or not is_safe_redirect(redirect_uri):
        raise NotFoundError("The app does not exist, or did not register this redirect_uri")
    return app


async def issue_code(
    session: AsyncSession, *, app: OAuthApp, user_id: UUID, redirect_uri: str, challenge: str, scopes: list[str]
) -> str:
    """Return a code that the app can exchange once, within one minute, for tokens of the user."""
    trail.acts(session, user_id)
    code = secrets.token_urlsafe(32)
    await session.execute(
        insert(OAuthCode).values(
            code_hash=hash_token(code),
            app_id=app.id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            challenge=challenge,
            scopes=scopes,
            expires_at=datetime.now(UTC) + CODE_LIFETIME,
        )
    )
    await recovery.notify_change(session, user_id=user_id, change=Change.APP)
    return code


async def authenticate_app(session: AsyncSession, *, client_id: str, secret: str | None) -> OAuthApp:
    """Authenticate an app; raises ``TokenRefusedError`` for an unknown app or a wrong secret."""
    app = await _app(session, client_id)
    expected = app.secret_hash if app is not None else None
    if app is None or (expected is not None and not hmac.compare_digest(expected, hash_token(secret or ""))):
        raise TokenRefusedError("invalid_client", "The app is unknown, or its secret is wrong")
    return app


async def exchange_code(
    session: AsyncSession, *, app: OAuthApp, settings: Settings, exchange: CodeExchange
) -> AppTokens:
    """Exchange a code for tokens. A reused code was copied, so the session of its first use ends.

    Raises:
        TokenRefusedError: when the code is not valid; the end of a session is committed nevertheless.
    """
    row = await session.scalar(
        select(OAuthCode)
        .join(User, User.id == OAuthCode.user_id)
        .where(OAuthCode.code_hash == hash_token(exchange.code), OAuthCode.app_id == app.id, is_account_active())
        .with_for_update(of=OAuthCode)
    )
    if row is None:
        raise TokenRefusedError("invalid_grant", "The code is not valid")
    trail.acts(session, row.user_id)
    if row.session_id is not None:
        await sessions.end_sessions(session, [row.session_id])
        raise TokenRefusedError("invalid_grant", "The code was used before; its session has ended")
    proof = base64.urlsafe_b64encode(hashlib.sha256(exchange.verifier.encode()).digest()).rstrip(b"=").decode()
    proved = hmac.compare_digest(proof, row.challenge) and exchange.redirect_uri == row.redirect_uri
    if not proved or row.expires_at <= datetime.now(UTC):
        raise TokenRefusedError("invalid_grant", "The code has expired, or the verifier or redirect_uri does not match")
    grant = Grant(app_id=app.id, scopes=row.scopes)
    tokens, row.session_id = await sessions.open_granted(
        session, user_id=row.user_id, settings=settings, grant=grant, user_agent=app.name
    )
    await session.flush()
    return _out(tokens, scopes=row.scopes)


async def exchange_refresh_token(
    session: AsyncSession, *, app: OAuthApp, settings: Settings, refresh_token: str
) -> AppTokens:
    """Exchange a refresh token of the app for new tokens.

    Raises:
        TokenRefusedError: when the token is not valid or belongs to another app.
    """
    scopes = await session.scalar(
        select(UserSession.scopes)
        .join(RefreshToken, RefreshToken.family_id == UserSession.id)
        .where(RefreshToken.token_hash == hash_token(refresh_token), UserSession.app_id == app.id)
    )
    if scopes is None:
        raise TokenRefusedError("invalid_grant", "The refresh token is not valid")
    try:
        tokens = await sessions.rotate(session, refresh_token=refresh_token, settings=settings, app_id=app.id)
    except RefreshTokenError:
        raise TokenRefusedError("invalid_grant", "The refresh token is not valid") from None
    return _out(tokens, scopes=scopes)


async def _app(session: AsyncSession, client_id: str) -> OAuthApp | None:
    try:
        app: OAuthApp | None = await session.get(OAuthApp, UUID(client_id))
    except ValueError:
        return None
    return app


def _out(tokens: Tokens, *, scopes: list[str]) -> AppTokens:
    return AppTokens(
        access_token=tokens.access_token,
        token_type="Bearer",  # noqa: S106 (the scheme of the Authorization header)
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        scope=" ".join(scopes),
    )
