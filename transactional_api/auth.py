"""Who is asking: access tokens, and the person that a request speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import ColumnElement, func, or_, select

from neighborconnect.settings import Settings
from transactional_api import idempotency
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import User
from transactional_api.errors import UnauthenticatedError

ISSUER = "neighborconnect"
AUDIENCE = "neighborconnect-api"
ALGORITHM = "HS256"

_bearer = HTTPBearer(auto_error=False, description="The `access_token` of register, login or refresh.")


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person that a request speaks for, with what permission and nearness are judged by."""

    id: UUID
    neighborhood: str | None
    city: str | None
    role: str = "member"

    @property
    def moderates(self) -> bool:
        """Whether they work on reports of the whole platform."""
        return self.role in {"moderator", "admin"}

    @property
    def administers(self) -> bool:
        """Whether they look after people and roles of the whole platform."""
        return self.role == "admin"


def issue_access_token(user_id: UUID, *, settings: Settings) -> str:
    """Return a signed token that speaks for ``user_id`` for ``access_token_minutes``."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + timedelta(minutes=settings.access_token_minutes),
    }
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm=ALGORITHM)


def read_access_token(token: str, *, settings: Settings) -> UUID:
    """Return whom a token speaks for.

    Raises:
        UnauthenticatedError: when it is not ours, not for us, changed or expired.
    """
    try:
        claims = jwt.decode(
            token,
            settings.jwt_secret.get_secret_value(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["iss", "aud", "sub", "jti", "exp"]},
        )
        return UUID(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        raise UnauthenticatedError("The access token is not valid") from None


def usable() -> ColumnElement[bool]:
    """Whether the account of the enclosing statement is open and not suspended now."""
    return User.is_active.is_(True) & or_(User.suspended_until.is_(None), User.suspended_until <= func.now())


async def _viewer(
    request: Request,
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Viewer:
    if credentials is None:
        raise UnauthenticatedError
    user_id = read_access_token(credentials.credentials, settings=request.app.state.settings)
    row = (
        await session.execute(
            select(User.id, User.neighborhood, User.city, User.role).where(User.id == user_id, usable())
        )
    ).one_or_none()
    if row is None:
        raise UnauthenticatedError("This account is closed or suspended")
    return Viewer(*row)


ViewerDep = Annotated[Viewer, Depends(_viewer)]
"""Whoever reads."""


async def _writer(
    request: Request, session: SessionDep, viewer: ViewerDep, key: idempotency.KeyHeader = None
) -> Viewer:
    if key is not None:
        await idempotency.claim(request, session=session, user_id=viewer.id, key=key)
    return viewer


WriterDep = Annotated[Viewer, Depends(_writer)]
"""Whoever writes; the write may carry an ``Idempotency-Key``."""
