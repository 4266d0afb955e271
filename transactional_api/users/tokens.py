"""Tokens out of letters: each proves the mailbox once, for one purpose."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.audit import trail
from transactional_api.db.tables import OneTimeToken, User
from transactional_api.errors import Problem
from transactional_api.users.sessions import hash_token


class Purpose(StrEnum):
    """Purpose of a token that a letter carries."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose, not a password)
    UNDO = "undo"


LIFETIME = {
    Purpose.VERIFY_EMAIL: timedelta(days=3),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.UNDO: timedelta(days=3),
}


class LetterTokenError(Problem):
    """The token is unknown, was used before, or is too old."""

    status, code, title = 422, "letter_token_invalid", "This link is not good any more; ask for a new letter"


async def issue(
    session: AsyncSession, *, user_id: UUID, purpose: Purpose, change: Mapping[str, Any] | None = None
) -> str:
    """Return a new token. ``change`` is what a token to undo something must know."""
    token = secrets.token_urlsafe(32)
    await session.execute(
        insert(OneTimeToken).values(
            user_id=user_id,
            purpose=purpose,
            token_hash=hash_token(token),
            expires_at=datetime.now(UTC) + LIFETIME[purpose],
            change=change,
        )
    )
    return token


def link(settings: Settings, *, purpose: Purpose, token: str) -> str:
    """Return the address in the front end that a letter leads to."""
    return f"{settings.public_url.rstrip('/')}/{purpose.value.replace('_', '-')}?token={token}"


async def spend(session: AsyncSession, *, token: str, purpose: Purpose) -> Any:
    """Use a token up and return its ``user_id`` and ``change``, who acts from now on.

    Raises:
        LetterTokenError: when it is not good.
    """
    spent = (
        await session.execute(
            delete(OneTimeToken)
            .where(
                OneTimeToken.token_hash == hash_token(token),
                OneTimeToken.purpose == purpose,
                OneTimeToken.expires_at > datetime.now(UTC),
                OneTimeToken.user_id.in_(select(User.id).where(User.is_active.is_(True))),
            )
            .returning(OneTimeToken.user_id, OneTimeToken.change)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if spent is None:
        raise LetterTokenError
    trail.acts(session, spent.user_id)
    return spent


async def void(session: AsyncSession, *, user_id: UUID, purpose: Purpose) -> None:
    """Void every token of a purpose."""
    await session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose))
