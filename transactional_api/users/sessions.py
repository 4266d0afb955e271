"""Refresh tokens: only hashes are kept, each is good once, and reuse ends the whole family."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.auth import issue_access_token, usable
from transactional_api.db.tables import RefreshToken, User
from transactional_api.errors import Problem
from transactional_api.users.schemas import Tokens

log = get_logger(__name__)


class RefreshTokenError(Problem):
    """The refresh token is unknown, expired, revoked or was used before."""

    status, code, title = 401, "refresh_token_invalid", "Log in again"
    # A token that comes twice has been copied: revoking its family must outlive this answer.
    keeps_changes = True


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(
    session: AsyncSession, *, user_id: UUID, settings: Settings, family_id: UUID | None = None
) -> Tokens:
    """Issue an access token and a refresh token, of a new family unless one is given."""
    refresh_token = secrets.token_urlsafe(32)
    await session.execute(
        insert(RefreshToken).values(
            user_id=user_id,
            family_id=family_id or uuid4(),
            token_hash=_hash(refresh_token),
            expires_at=datetime.now(UTC) + timedelta(days=settings.refresh_token_days),
        )
    )
    return Tokens(
        access_token=issue_access_token(user_id, settings=settings),
        refresh_token=refresh_token,
        token_type="bearer",  # noqa: S106 (the scheme of the Authorization header)
        expires_in=settings.access_token_minutes * 60,
    )


async def rotate(session: AsyncSession, *, refresh_token: str, settings: Settings) -> Tokens:
    """Trade a refresh token for new tokens.

    Raises:
        RefreshTokenError: when it is not good; if it was good once, its family is revoked.
    """
    now = datetime.now(UTC)
    good = (
        RefreshToken.token_hash == _hash(refresh_token),
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
        await revoke_family(session, refresh_token=refresh_token)
        raise RefreshTokenError
    return await open_session(session, user_id=taken.user_id, settings=settings, family_id=taken.family_id)


async def revoke_family(session: AsyncSession, *, refresh_token: str) -> None:
    """Revoke every token that descends from the same login as ``refresh_token``; an unknown one changes nothing."""
    family = select(RefreshToken.family_id).where(RefreshToken.token_hash == _hash(refresh_token))
    revoked = await session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id == family.scalar_subquery(), RefreshToken.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .returning(RefreshToken.family_id)
        .execution_options(synchronize_session=False)
    )
    if (row := revoked.first()) is not None:
        log.info("session.revoked", family=str(row.family_id))
