"""Authenticated user of a request, and SQL conditions on the account and session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.localization import DEFAULT_LANGUAGE, Language
from transactional_api.core.db.tables import User, UserSession

STAFF_ROLES = frozenset({"moderator", "admin"})


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user on whose behalf a request acts, with the attributes that permissions and proximity use."""

    id: UUID
    neighborhood: str | None
    city: str | None
    role: str
    session_id: UUID
    personalised: bool
    analysed: bool
    scopes: list[str] | None
    """Scopes of a third-party app; None for a session of the user."""
    verified: bool
    """Whether the email address is verified."""

    @property
    def has_tracking_consent(self) -> bool:
        """Whether the user consented to the storage of behavior."""
        return self.personalised or self.analysed

    @property
    def is_moderator(self) -> bool:
        """Whether the user moderates the whole platform."""
        return self.role in STAFF_ROLES

    @property
    def is_admin(self) -> bool:
        """Whether the user manages users and roles of the platform."""
        return self.role == "admin"


NO_EXPIRY = datetime(9999, 1, 1, tzinfo=UTC)
"""End of a permanent suspension."""


def is_account_active() -> ColumnElement[bool]:
    """Whether the account of the enclosing statement is active and not suspended."""
    return User.is_active.is_(True) & or_(User.suspended_until.is_(None), User.suspended_until <= func.now())


def is_session_active(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer's session and account are active, and the session has not expired."""
    sessions = select(UserSession.id).join(User, User.id == UserSession.user_id)
    return sessions.where(
        UserSession.id == viewer.session_id,
        UserSession.expires_at > func.now(),
        User.id == viewer.id,
        is_account_active(),
    ).exists()


async def language_of(session: AsyncSession, user_id: UUID) -> Language:
    """Return the language of emails and pushes to a user; the default if they chose none that texts exist in."""
    chosen = await session.scalar(select(User.language).where(User.id == user_id))
    return Language(chosen) if chosen in set(Language) else DEFAULT_LANGUAGE
