"""Sessions: an access token names one, and a refresh token that is exchanged once extends it.

Only hashes of refresh tokens are stored. The successor of a token is derived from it with a server key, so that a
repeated exchange can return the same successor without storing it:

| refresh token | response |
|---|---|
| not exchanged before | a new access token and the successor |
| exchanged less than ``refresh_grace_seconds`` ago, its successor not yet exchanged | the same successor |
| exchanged earlier, or followed by a second exchange | 401 ``refresh_token_reused``; the session ends: it was copied |

The second row serves two tabs that refresh at once, and a client that lost the response. Both lines continue with one
token, so that a copy is still detected at the next exchange.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import RefreshToken, User, UserSession
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.security.tokens import Bearer, issue_access_token, read_access_token, successors_of
from transactional_api.core.session_activity import last_uses
from transactional_api.core.viewer import Viewer, is_account_active
from transactional_api.identity.users.schemas import SessionOut, Tokens

MAX_USER_AGENT = 200

log = get_logger(__name__)


class RefreshTokenError(Problem):
    """The refresh token is unknown, expired or revoked."""

    status, code, title = 401, "refresh_token_invalid", "Log in again"
    # A reused token was copied: the end of its session must be committed despite the error.
    commits_changes = True


class RefreshTokenReusedError(RefreshTokenError):
    """The refresh token was exchanged before the grace period: somebody has a copy, so that its session ended."""

    code, title = "refresh_token_reused", "This session ended because its refresh token was used twice; log in again"


class Grant(NamedTuple):
    """Access that a user granted to a third-party app."""

    app_id: UUID
    scopes: list[str]


def hash_token(token: str) -> str:
    """Return the stored hash of a random token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(session: AsyncSession, *, user_id: UUID, settings: Settings, user_agent: str | None) -> Tokens:
    """Create a session and issue its first tokens."""
    trail.acts(session, user_id)
    session_id = await _open(session, user_id=user_id, settings=settings, user_agent=user_agent)
    return await _issue(session, bearer=Bearer(user_id, session_id), settings=settings)


async def open_web_session(
    session: AsyncSession, *, user_id: UUID, settings: Settings, user_agent: str | None
) -> Bearer:
    """Create a session for a cookie, without tokens."""
    trail.acts(session, user_id)
    return Bearer(user_id, await _open(session, user_id=user_id, settings=settings, user_agent=user_agent))


async def convert_to_web_session(session: AsyncSession, *, refresh_token: str, settings: Settings) -> Bearer:
    """Continue the session of a refresh token by cookie; its refresh tokens end. Raises the errors of ``rotate``."""
    tokens = await rotate(session, refresh_token=refresh_token, settings=settings)
    bearer = read_access_token(tokens.access_token, settings=settings)
    await _revoke(session, [bearer.session_id])
    return bearer


async def renew_web_session(session: AsyncSession, *, viewer: Viewer, settings: Settings) -> None:
    """Extend the viewer's session by the lifetime of sessions."""
    await session.execute(
        update(UserSession)
        .where(UserSession.id == viewer.session_id)
        .values(last_used_at=datetime.now(UTC), expires_at=_expiry(settings))
        .execution_options(synchronize_session=False)
    )


async def open_granted(
    session: AsyncSession, *, user_id: UUID, settings: Settings, grant: Grant, user_agent: str | None
) -> tuple[Tokens, UUID]:
    """Create a session of an app for a user; return its first tokens and its id."""
    session_id = await _open(session, user_id=user_id, settings=settings, user_agent=user_agent, grant=grant)
    return await _issue(session, bearer=Bearer(user_id, session_id), settings=settings), session_id


async def _open(
    session: AsyncSession, *, user_id: UUID, settings: Settings, user_agent: str | None, grant: Grant | None = None
) -> UUID:
    session_id = await session.scalar(
        insert(UserSession)
        .values(
            user_id=user_id,
            user_agent=user_agent[:MAX_USER_AGENT] if user_agent else None,
            expires_at=_expiry(settings),
            app_id=grant.app_id if grant else None,
            scopes=grant.scopes if grant else None,
        )
        .returning(UserSession.id)
    )
    assert session_id is not None  # noqa: S101 (the insert returned it)
    return session_id


async def rotate(
    session: AsyncSession, *, refresh_token: str, settings: Settings, app_id: UUID | None = None
) -> Tokens:
    """Exchange a refresh token for new tokens.

    Args:
        session: of the request.
        refresh_token: of a first-party session, or of the app.
        settings: with the lifetimes of tokens.
        app_id: the authenticated app; None for a first-party session.

    Raises:
        RefreshTokenReusedError: when it was exchanged before the grace period; its session ends.
        RefreshTokenError: when it is not valid, or belongs to an app that is not authenticated; its session ends.
    """
    now = datetime.now(UTC)
    # Lock order as in ``end``: the session first, so that a session that is ending cannot be refreshed.
    session_id = await session.scalar(
        update(UserSession)
        .where(UserSession.id == _session_of(refresh_token), UserSession.app_id.is_not_distinct_from(app_id))
        .values(last_used_at=now, expires_at=_expiry(settings))
        .returning(UserSession.id)
        .execution_options(synchronize_session=False)
    )
    valid = (
        RefreshToken.token_hash == hash_token(refresh_token),
        RefreshToken.family_id == session_id,
        RefreshToken.revoked_at.is_(None),
        RefreshToken.expires_at > now,
        RefreshToken.user_id == User.id,
        is_account_active(),
    )
    user_id = await session.scalar(
        update(RefreshToken)
        .where(*valid, RefreshToken.used_at.is_(None))
        .values(used_at=now)
        .returning(RefreshToken.user_id)
        .execution_options(synchronize_session=False)
    )
    if session_id is not None and user_id is not None:
        trail.acts(session, user_id)
        successor = successors_of(refresh_token, settings=settings)[0]
        return await _issue(session, bearer=Bearer(user_id, session_id), settings=settings, refresh_token=successor)
    grace = timedelta(seconds=settings.refresh_grace_seconds)
    user_id = await session.scalar(select(RefreshToken.user_id).where(*valid, RefreshToken.used_at > now - grace))
    if session_id is not None and user_id is not None:
        unused = await _unused_successor(session, refresh_token=refresh_token, session_id=session_id, settings=settings)
        if unused is not None:
            trail.acts(session, user_id)
            return _tokens(Bearer(user_id, session_id), refresh_token=unused, settings=settings)
    reused = await session.scalar(select(RefreshToken.id).where(*valid, RefreshToken.used_at.is_not(None)))
    await end_by_token(session, refresh_token=refresh_token)
    raise RefreshTokenReusedError if reused is not None else RefreshTokenError


async def _unused_successor(
    session: AsyncSession, *, refresh_token: str, session_id: UUID, settings: Settings
) -> str | None:
    """Return the successor that ``refresh_token`` was exchanged for, unless it has been exchanged too."""
    candidates = {hash_token(token): token for token in successors_of(refresh_token, settings=settings)}
    unused = await session.scalar(
        select(RefreshToken.token_hash).where(
            RefreshToken.token_hash.in_(candidates),
            RefreshToken.family_id == session_id,
            RefreshToken.used_at.is_(None),
            RefreshToken.revoked_at.is_(None),
        )
    )
    return candidates[unused] if unused is not None else None


async def end_by_token(session: AsyncSession, *, refresh_token: str) -> None:
    """End the session that a refresh token belongs to; an unknown one changes nothing."""
    owned = select(UserSession.id, UserSession.user_id).where(UserSession.id == _session_of(refresh_token))
    row = (await session.execute(owned)).one_or_none()
    if row is not None:
        trail.acts(session, row.user_id)
        await end_sessions(session, [row.id])


async def end(session: AsyncSession, *, viewer: Viewer, session_id: UUID) -> None:
    """End one of the viewer's sessions; raises ``NotFoundError`` for any other."""
    mine = select(UserSession.id).where(UserSession.id == session_id, UserSession.user_id == viewer.id)
    if await session.scalar(mine) is None:
        raise NotFoundError
    await end_sessions(session, [session_id])


async def is_younger_than(session: AsyncSession, *, session_id: UUID, age: timedelta) -> bool:
    """Return whether a session was opened less than ``age`` ago."""
    opened = select(UserSession.id).where(UserSession.id == session_id, UserSession.created_at > func.now() - age)
    return await session.scalar(opened) is not None


async def end_all(session: AsyncSession, *, user_id: UUID, keep: UUID | None = None) -> None:
    """End every session of a user, except ``keep``."""
    statement = select(UserSession.id).where(UserSession.user_id == user_id).order_by(UserSession.id)
    if keep is not None:
        statement = statement.where(UserSession.id != keep)
    await end_sessions(session, list(await session.scalars(statement)))


async def list_sessions(session: AsyncSession, redis: Redis, *, viewer: Viewer, page: PageRequest) -> Page[SessionOut]:
    """List the viewer's active sessions, most recently refreshed first."""
    statement = select(UserSession).where(UserSession.user_id == viewer.id, UserSession.expires_at > datetime.now(UTC))
    rows = (await session.scalars(page.select(statement, at=UserSession.last_used_at, row_id=UserSession.id))).all()
    uses = await last_uses(redis, user_id=viewer.id)
    return Page(
        items=[
            SessionOut(
                id=row.id,
                user_agent=row.user_agent,
                current=row.id == viewer.session_id,
                scopes=row.scopes,
                created_at=row.created_at,
                last_used_at=max(row.last_used_at, uses.get(row.id, row.last_used_at)),
            )
            for row in rows[: page.limit]
        ],
        next_cursor=page.next_cursor(rows, at="last_used_at"),
    )


async def _issue(
    session: AsyncSession, *, bearer: Bearer, settings: Settings, refresh_token: str | None = None
) -> Tokens:
    refresh_token = refresh_token or secrets.token_urlsafe(32)
    await session.execute(
        insert(RefreshToken).values(
            user_id=bearer.user_id,
            family_id=bearer.session_id,
            token_hash=hash_token(refresh_token),
            expires_at=_expiry(settings),
        )
    )
    return _tokens(bearer, refresh_token=refresh_token, settings=settings)


def decoy(*, user_id: UUID, settings: Settings) -> Tokens:
    """Return tokens that resemble those of a new session and grant no access."""
    return _tokens(Bearer(user_id, uuid4()), refresh_token=secrets.token_urlsafe(32), settings=settings)


def _tokens(bearer: Bearer, *, refresh_token: str, settings: Settings) -> Tokens:
    return Tokens(
        access_token=issue_access_token(bearer, settings=settings),
        refresh_token=refresh_token,
        token_type="bearer",  # noqa: S106 (the scheme of the Authorization header)
        expires_in=settings.access_token_minutes * 60,
    )


async def end_sessions(session: AsyncSession, session_ids: list[UUID]) -> None:
    """End sessions, including their access tokens."""
    await session.execute(delete(UserSession).where(UserSession.id.in_(session_ids)))
    await _revoke(session, session_ids)
    log.info("sessions.ended", sessions=[str(session_id) for session_id in session_ids])


async def _revoke(session: AsyncSession, session_ids: list[UUID]) -> None:
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id.in_(session_ids), RefreshToken.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )


def _session_of(refresh_token: str) -> Any:
    return select(RefreshToken.family_id).where(RefreshToken.token_hash == hash_token(refresh_token)).scalar_subquery()


def _expiry(settings: Settings) -> datetime:
    return datetime.now(UTC) + timedelta(days=settings.refresh_token_days)
