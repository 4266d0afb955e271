"""One-time tokens in emails: each proves access to the mailbox once, for one purpose."""

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
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import OneTimeToken, User
from transactional_api.core.errors import Problem
from transactional_api.identity.users.sessions import hash_token


class Purpose(StrEnum):
    """Purpose of a one-time token."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose, not a password)
    UNDO = "undo"


LIFETIME = {
    Purpose.VERIFY_EMAIL: timedelta(days=3),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.UNDO: timedelta(days=3),
}


class LoginExpiredError(Problem):
    """The login was not started in the last ten minutes, or is complete already."""

    status, code, title = 422, "login_expired", "The login expired; start it again"


class EmailTokenError(Problem):
    """The token is unknown, used or expired."""

    status, code, title = 422, "email_token_invalid", "This link is no longer valid; request a new email"


async def issue(
    session: AsyncSession, *, user_id: UUID, purpose: Purpose, change: Mapping[str, Any] | None = None
) -> str:
    """Return a new token. ``change`` is the state that an undo token restores."""
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
    """Return the URL in the front end that an email links to."""
    return f"{settings.public_url.rstrip('/')}/{purpose.value.replace('_', '-')}?token={token}"


async def consume(session: AsyncSession, *, token: str, purpose: Purpose) -> Any:
    """Consume a token, make its user the actor of the request, and return its ``user_id`` and ``change``.

    Raises:
        EmailTokenError: when it is not valid.
    """
    token_row = (
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
    if token_row is None:
        raise EmailTokenError
    trail.acts(session, token_row.user_id)
    return token_row


async def revoke(session: AsyncSession, *, user_id: UUID, purpose: Purpose) -> None:
    """Revoke every token of a user for a purpose."""
    await session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose == purpose))
