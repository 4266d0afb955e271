"""Apps of third parties: who made them, and how one comes to act for somebody (RFC 6749 with PKCE, RFC 7636)."""

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
from transactional_api.audit import trail
from transactional_api.auth import Viewer, usable
from transactional_api.db.tables import OAuthApp, OAuthCode, RefreshToken, User, UserSession
from transactional_api.errors import NotFoundError
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.oauth.schemas import AppOut, AppTokens, NewApp, NewAppOut, is_safe_redirect
from transactional_api.paging import Page, PageRequest
from transactional_api.users import recovery, sessions
from transactional_api.users.recovery import Change
from transactional_api.users.schemas import Tokens
from transactional_api.users.sessions import Grant, RefreshTokenError, hash_token

CODE_LIFETIME = timedelta(minutes=1)


class TokenRefusedError(Exception):
    """An app gets no tokens; ``error`` is a word of RFC 6749."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error, self.why = error, why


@dataclass(frozen=True, slots=True)
class Trade:
    """What an app offers for tokens: a code with what it was asked for with."""

    code: str
    redirect_uri: str
    verifier: str


async def register(session: AsyncSession, *, viewer: Viewer, body: NewApp) -> NewAppOut:
    """Register an app of the viewer's."""
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
    await screening.screen(session, SubjectKind.APP, app.id)
    return NewAppOut(**AppOut.model_validate(app).model_dump(), client_secret=secret)


async def find(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[AppOut]:
    """List the viewer's apps, the last first."""
    statement = page.select(
        select(OAuthApp).where(OAuthApp.owner_id == viewer.id), at=OAuthApp.created_at, row_id=OAuthApp.id
    )
    rows = (await session.scalars(statement)).all()
    return page.of(rows, AppOut.model_validate)


async def remove(session: AsyncSession, *, viewer: Viewer, app_id: UUID) -> None:
    """Delete an app of the viewer's, and with it everything that it was allowed; raises ``NotFoundError``."""
    gone = delete(OAuthApp).where(OAuthApp.id == app_id, OAuthApp.owner_id == viewer.id).returning(OAuthApp.id)
    if await session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise NotFoundError


async def app_for(session: AsyncSession, *, client_id: str, redirect_uri: str) -> OAuthApp:
    """Return the app that registered ``redirect_uri``; raises ``NotFoundError``, and redirects nobody, otherwise."""
    app = await _app(session, client_id)
    if app is None or redirect_uri not in app.redirect_uris or not is_safe_redirect(redirect_uri):
        raise NotFoundError("There is no such app, or it does not live at this redirect_uri")
    return app


async def give_code(
    session: AsyncSession, *, app: OAuthApp, user_id: UUID, redirect_uri: str, challenge: str, scopes: list[str]
) -> str:
    """Return a code that the app can trade for tokens that act for a person, once, within a minute."""
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
    await recovery.tell(session, user_id=user_id, change=Change.APP)
    return code


async def prove_app(session: AsyncSession, *, client_id: str, secret: str | None) -> OAuthApp:
    """Return the app that asks; raises ``TokenRefusedError`` where it does not prove itself."""
    app = await _app(session, client_id)
    expected = app.secret_hash if app is not None else None
    if app is None or (expected is not None and not hmac.compare_digest(expected, hash_token(secret or ""))):
        raise TokenRefusedError("invalid_client", "The app is unknown, or its secret is wrong")
    return app


async def trade_code(session: AsyncSession, *, app: OAuthApp, settings: Settings, trade: Trade) -> AppTokens:
    """Trade a code for tokens. One that comes a second time was copied: what the first brought ends.

    Raises:
        TokenRefusedError: when it is not good; what was done before stays.
    """
    row = await session.scalar(
        select(OAuthCode)
        .join(User, User.id == OAuthCode.user_id)
        .where(OAuthCode.code_hash == hash_token(trade.code), OAuthCode.app_id == app.id, usable())
        .with_for_update(of=OAuthCode)
    )
    if row is None:
        raise TokenRefusedError("invalid_grant", "The code is not good")
    trail.acts(session, row.user_id)
    if row.session_id is not None:
        await sessions.end_sessions(session, [row.session_id])
        raise TokenRefusedError("invalid_grant", "The code was used before; what it brought has ended")
    proof = base64.urlsafe_b64encode(hashlib.sha256(trade.verifier.encode()).digest()).rstrip(b"=").decode()
    proved = hmac.compare_digest(proof, row.challenge) and trade.redirect_uri == row.redirect_uri
    if not proved or row.expires_at <= datetime.now(UTC):
        raise TokenRefusedError("invalid_grant", "The code is not good any more, or not with this proof")
    grant = Grant(app_id=app.id, scopes=row.scopes)
    tokens, row.session_id = await sessions.open_granted(
        session, user_id=row.user_id, settings=settings, grant=grant, user_agent=app.name
    )
    await session.flush()
    return _out(tokens, scopes=row.scopes)


async def trade_refresh_token(
    session: AsyncSession, *, app: OAuthApp, settings: Settings, refresh_token: str
) -> AppTokens:
    """Trade a refresh token of the app's for new tokens.

    Raises:
        TokenRefusedError: when it is not good, or another app's.
    """
    scopes = await session.scalar(
        select(UserSession.scopes)
        .join(RefreshToken, RefreshToken.family_id == UserSession.id)
        .where(RefreshToken.token_hash == hash_token(refresh_token), UserSession.app_id == app.id)
    )
    if scopes is None:
        raise TokenRefusedError("invalid_grant", "The refresh token is not good")
    try:
        tokens = await sessions.rotate(session, refresh_token=refresh_token, settings=settings, app_id=app.id)
    except RefreshTokenError:
        raise TokenRefusedError("invalid_grant", "The refresh token is not good") from None
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
