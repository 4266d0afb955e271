"""Sessions: an access token names one, and a refresh token that is good once keeps it open.

Of refresh tokens only hashes are kept; one that comes a second time has been copied and ends its whole session.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from redis.asyncio import Redis
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.audit import trail
from transactional_api.auth import Viewer, usable
from transactional_api.db.tables import RefreshToken, User, UserSession
from transactional_api.errors import NotFoundError, Problem
from transactional_api.paging import Page, PageRequest
from transactional_api.tokens import Bearer, issue_access_token
from transactional_api.users.activity import last_uses
from transactional_api.users.schemas import SessionOut, Tokens

MAX_USER_AGENT = 200

log = get_logger(__name__)


class RefreshTokenError(Problem):
    """The refresh token is unknown, expired, revoked or was used before."""

    status, code, title = 401, "refresh_token_invalid", "Log in again"
    # A token that comes twice has been copied: ending its session must outlive this answer.
    keeps_changes = True


class Grant(NamedTuple):
    """What a person lets a third party's app do."""

    app_id: UUID
    scopes: list[str]


def hash_token(token: str) -> str:
    """Return what is kept of a random token."""
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(session: AsyncSession, *, user_id: UUID, settings: Settings, user_agent: str | None) -> Tokens:
    """Begin a session and issue its first tokens."""
    trail.acts(session, user_id)
    session_id = await _open(session, user_id=user_id, settings=settings, user_agent=user_agent)
    return await _issue(session, bearer=Bearer(user_id, session_id), settings=settings)


async def open_granted(
    session: AsyncSession, *, user_id: UUID, settings: Settings, grant: Grant, user_agent: str | None
) -> tuple[Tokens, UUID]:
    """Begin a session in which an app acts for a person; returns its first tokens and its id."""
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
        refresh_token: of a session of the person's own, or of the app.
        settings: with the lifetimes of tokens.
        app_id: the app that authenticated itself; None for a person's own session.

    Raises:
        RefreshTokenError: when it is not good, or belongs to an app that did not authenticate itself; its session ends.
    """
    now = datetime.now(UTC)
    # The session's row first, as ``end`` has it: nobody refreshes a session that is ending.
    held = await session.scalar(
        update(UserSession)
        .where(UserSession.id == _session_of(refresh_token), UserSession.app_id.is_not_distinct_from(app_id))
        .values(last_used_at=now, expires_at=_expiry(settings))
        .returning(UserSession.id)
        .execution_options(synchronize_session=False)
    )
    good = (
        RefreshToken.token_hash == hash_token(refresh_token),
        RefreshToken.family_id == held,
        RefreshToken.used_at.is_(None),
        RefreshToken.revoked_at.is_(None),
        RefreshToken.expires_at > now,
        RefreshToken.user_id == User.id,
        usable(),
    )
    taken = (
        await session.execute(
            update(RefreshToken)
            .where(*good)
            .values(used_at=now)
            .returning(RefreshToken.user_id, RefreshToken.family_id)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if taken is None:
        await end_by_token(session, refresh_token=refresh_token)
        raise RefreshTokenError
    trail.acts(session, taken.user_id)
    return await _issue(session, bearer=Bearer(taken.user_id, taken.family_id), settings=settings)


async def end_by_token(session: AsyncSession, *, refresh_token: str) -> None:
    """End the session that a refresh token belongs to; an unknown one changes nothing."""
    owned = select(UserSession.id, UserSession.user_id).where(UserSession.id == _session_of(refresh_token))
    found = (await session.execute(owned)).one_or_none()
    if found is not None:
        trail.acts(session, found.user_id)
        await end_sessions(session, [found.id])


async def end(session: AsyncSession, *, viewer: Viewer, session_id: UUID) -> None:
    """End one of the viewer's sessions; raises ``NotFoundError`` when they have no such one."""
    mine = select(UserSession.id).where(UserSession.id == session_id, UserSession.user_id == viewer.id)
    if await session.scalar(mine) is None:
        raise NotFoundError
    await end_sessions(session, [session_id])


async def end_all(session: AsyncSession, *, user_id: UUID, but: UUID | None = None) -> None:
    """End every session of a person, but one where it is named."""
    statement = select(UserSession.id).where(UserSession.user_id == user_id).order_by(UserSession.id)
    if but is not None:
        statement = statement.where(UserSession.id != but)
    await end_sessions(session, list(await session.scalars(statement)))


async def page_of(session: AsyncSession, redis: Redis, *, viewer: Viewer, page: PageRequest) -> Page[SessionOut]:
    """List the viewer's open sessions, the last refreshed first."""
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


async def _issue(session: AsyncSession, *, bearer: Bearer, settings: Settings) -> Tokens:
    refresh_token = secrets.token_urlsafe(32)
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
    """Return tokens that look like those of a new session and open nothing."""
    return _tokens(Bearer(user_id, uuid4()), refresh_token=secrets.token_urlsafe(32), settings=settings)


def _tokens(bearer: Bearer, *, refresh_token: str, settings: Settings) -> Tokens:
    return Tokens(
        access_token=issue_access_token(bearer, settings=settings),
        refresh_token=refresh_token,
        token_type="bearer",  # noqa: S106 (the scheme of the Authorization header)
        expires_in=settings.access_token_minutes * 60,
    )


async def end_sessions(session: AsyncSession, session_ids: list[UUID]) -> None:
    """End sessions, access tokens and all."""
    await session.execute(delete(UserSession).where(UserSession.id.in_(session_ids)))
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id.in_(session_ids), RefreshToken.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )
    log.info("sessions.ended", sessions=[str(one) for one in session_ids])


def _session_of(refresh_token: str) -> Any:
    return select(RefreshToken.family_id).where(RefreshToken.token_hash == hash_token(refresh_token)).scalar_subquery()


def _expiry(settings: Settings) -> datetime:
    return datetime.now(UTC) + timedelta(days=settings.refresh_token_days)
