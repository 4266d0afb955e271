"""Who is asking: the person that a request speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api import idempotency
from transactional_api.audit import trail
from transactional_api.db.plain import PlainSession, Ready
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import User, UserSession
from transactional_api.errors import InsufficientScopeError, Problem, UnauthenticatedError
from transactional_api.oauth import scopes
from transactional_api.tokens import read_access_token

_bearer = HTTPBearer(auto_error=False, description="The `access_token` of register, login or refresh.")


STAFF_ROLES = frozenset({"moderator", "admin"})


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person that a request speaks for, with what permission and nearness are judged by."""

    id: UUID
    neighborhood: str | None
    city: str | None
    role: str
    session_id: UUID
    personalised: bool
    analysed: bool
    scopes: list[str] | None
    """What a third party's app may do that speaks for them; None for their own sessions."""
    verified: bool
    """Whether they confirmed their e-mail address."""

    @property
    def watched(self) -> bool:
        """Whether what they do may be kept at all."""
        return self.personalised or self.analysed

    @property
    def moderates(self) -> bool:
        """Whether they work on reports of the whole platform."""
        return self.role in STAFF_ROLES

    @property
    def administers(self) -> bool:
        """Whether they look after people and roles of the whole platform."""
        return self.role == "admin"


FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a suspension ends that has no end."""


def usable() -> ColumnElement[bool]:
    """Whether the account of the enclosing statement is open and not suspended now."""
    return User.is_active.is_(True) & or_(User.suspended_until.is_(None), User.suspended_until <= func.now())


def speaks(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer's session is still open, and their account too."""
    own = select(UserSession.id).join(User, User.id == UserSession.user_id)
    return own.where(UserSession.id == viewer.session_id, User.id == viewer.id, usable()).exists()


# Every request asks for it, so it is built once.
_SPOKEN_FOR = Ready(
    select(
        User.id,
        User.neighborhood,
        User.city,
        User.role,
        UserSession.id.label("session_id"),
        User.personalised,
        User.analysed,
        UserSession.scopes,
        User.verified,
    )
    .join(UserSession, UserSession.user_id == User.id)
    .where(User.id == bindparam("user_id"), UserSession.id == bindparam("session_id"), usable())
)


async def find_viewer(session: AsyncSession, *, token: str, settings: Settings) -> Viewer:
    """Return whom an access token speaks for.

    Raises:
        UnauthenticatedError: when the token is not good, its session ended, or the account is closed or suspended.
    """
    bearer = read_access_token(token, settings=settings)
    named = {"user_id": bearer.user_id, "session_id": bearer.session_id}
    row = await _SPOKEN_FOR.one_or_none(session, **named)
    if row is None:
        raise UnauthenticatedError("This session has ended, or the account is closed or suspended")
    return Viewer(*row)


class AddressNotConfirmedError(Problem):
    """Nobody proved that the account's e-mail address is theirs, so no further way into it may be added."""

    status, code, title = 403, "address_not_confirmed", "Confirm your e-mail address first"


def require_confirmed(person: Viewer | User) -> None:
    """Raise ``AddressNotConfirmedError`` unless a person confirmed their address."""
    if not person.verified:
        raise AddressNotConfirmedError


async def find_own_viewer(session: AsyncSession, *, token: str, settings: Settings) -> Viewer:
    """Return whom an access token speaks for, if it is their own and no app's; raises ``UnauthenticatedError``."""
    viewer = await find_viewer(session, token=token, settings=settings)
    if viewer.scopes is not None:
        raise UnauthenticatedError("No app reaches this")
    return viewer


async def viewer_of(
    request: Request,
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Viewer:
    """Return whom a request speaks for, and count it.

    Raises:
        UnauthenticatedError: when it speaks for nobody.
        RateLimitedError: when they asked too much of this endpoint.
        InsufficientScopeError: when the app that speaks for them may not do this.
    """
    if credentials is None:
        raise UnauthenticatedError
    asked = {"token": credentials.credentials, "settings": request.app.state.settings}
    if isinstance(session, PlainSession):
        viewer = await find_viewer(session, **asked)
    else:
        # In one trip, and before the transaction, which is then no longer than what is done in it.
        async with request.app.state.plain.reads() as door:
            viewer = await find_viewer(door, **asked)
    await request.app.state.rate_limits.count(request, viewer.id, viewer.session_id)
    if viewer.scopes is not None and scopes.needed(request) not in viewer.scopes:
        raise InsufficientScopeError
    return viewer


ViewerDep = Annotated[Viewer, Depends(viewer_of)]
"""Whoever reads."""


async def _actor(session: SessionDep, viewer: ViewerDep) -> Viewer:
    trail.acts(session, viewer.id)
    return viewer


ActorDep = Annotated[Viewer, Depends(_actor)]
"""Whoever changes something; the audit trail says so."""


async def _reporter(
    request: Request, session: SessionDep, viewer: ViewerDep, key: idempotency.KeyHeader = None
) -> Viewer:
    if key is not None:
        await idempotency.claim(request, session=session, user_id=viewer.id, key=key)
    return viewer


ReporterDep = Annotated[Viewer, Depends(_reporter)]
"""Whoever reports what they did; the report may carry an ``Idempotency-Key``."""


async def _writer(session: SessionDep, viewer: ReporterDep) -> Viewer:
    trail.acts(session, viewer.id)
    return viewer


WriterDep = Annotated[Viewer, Depends(_writer)]
"""Whoever writes; the write may carry an ``Idempotency-Key``, and the audit trail says so."""
