"""Overview of one account for admins of the platform: state, limits, consents, exports and erasure, without content.

It contains no download link of an export, and the email address only in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import (
    Consent,
    DataExport,
    Erasure,
    FeedDecision,
    ModerationCase,
    ModerationDecision,
    Report,
    SecondFactor,
    User,
    UserSession,
)
from transactional_api.core.errors import ForbiddenError, NotFoundError
from transactional_api.core.security import personal_data
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.viewer import Viewer
from transactional_api.governance.privacy import consents
from transactional_api.governance.privacy.receipts import receipt_of
from transactional_api.governance.privacy.schemas import ConsentOut, ReceiptOut
from transactional_api.identity.users.schemas import Email

MAX_LISTED: Final = 20
_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)


@dataclass(frozen=True, slots=True)
class Account:
    """Account without its content; ``masked_email`` has the first character and the domain."""

    id: UUID
    username: str
    name: str
    role: str
    masked_email: str
    is_active: bool
    verified: bool
    has_second_factor: bool
    session_count: int
    created_at: datetime
    last_login: datetime | None
    suspended_until: datetime | None
    erased_at: datetime | None

    @property
    def is_suspended(self) -> bool:
        """Whether the account is suspended now."""
        return self.suspended_until is not None and self.suspended_until > datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Decided:
    """Decision about content of the account."""

    case_id: UUID
    outcome: str
    rule: str
    until: datetime | None
    created_at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Export:
    """Data export, without its link."""

    id: UUID
    state: str
    complete: bool
    bytes: int | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """Decision on a purpose."""

    purpose: str
    granted: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Recorded answer of a feed."""

    request_id: UUID
    item_kind: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """Account with what limits it and with its privacy requests; lists have the newest entries first."""

    account: Account
    decisions: list[Decided]
    report_count: int
    consents: list[ConsentOut]
    consent_changes: list[ConsentChange]
    exports: list[Export]
    receipt: ReceiptOut | None
    answers: list[Answer]


async def find(session: AsyncSession, *, viewer: Viewer, cipher: FieldCipher, query: str) -> UUID:
    """Return the id of the account with this id, username or email address.

    Raises:
        ForbiddenError: when the viewer is not an admin.
        NotFoundError: when there is none.
    """
    _require_admin(viewer)
    user_id = await session.scalar(select(User.id).where(_is_named(cipher, query.strip())))
    if user_id is None:
        raise NotFoundError("No account has this id, username or email address")
    return user_id


async def overview(session: AsyncSession, *, viewer: Viewer, cipher: FieldCipher, user_id: UUID) -> AccountOverview:
    """Return the overview of an account.

    Raises:
        ForbiddenError: when the viewer is not an admin.
        NotFoundError: when there is no such account.
    """
    _require_admin(viewer)
    user = await session.get(User, user_id)
    if user is None:
        raise NotFoundError
    decided = (
        select(
            ModerationDecision.case_id,
            ModerationDecision.outcome,
            ModerationDecision.rule,
            ModerationDecision.until,
            ModerationDecision.created_at,
            ModerationDecision.undone_at,
        )
        .join(ModerationCase, ModerationCase.id == ModerationDecision.case_id)
        .where(ModerationCase.owner_id == user_id)
        .order_by(ModerationDecision.created_at.desc())
    )
    changes = select(Consent.purpose, Consent.granted, Consent.created_at).where(Consent.user_id == user_id)
    exports = select(
        DataExport.id,
        DataExport.state,
        DataExport.complete,
        DataExport.bytes,
        DataExport.created_at,
        DataExport.expires_at,
    ).where(DataExport.user_id == user_id)
    answers = select(FeedDecision.request_id, FeedDecision.item_kind, FeedDecision.created_at).where(
        FeedDecision.user_id == user_id
    )
    erasure = await session.scalar(select(Erasure).where(Erasure.user_id == user_id))
    reports = await session.scalar(select(func.count()).select_from(Report).where(Report.reporter_id == user_id))
    return AccountOverview(
        account=await _account(session, user, cipher=cipher),
        decisions=[Decided(*row) for row in await _newest(session, decided)],
        report_count=reports or 0,
        consents=(await consents.current_of(session, user_id=user_id)).consents,
        consent_changes=[
            ConsentChange(*row) for row in await _newest(session, changes.order_by(Consent.created_at.desc()))
        ],
        exports=[Export(*row) for row in await _newest(session, exports.order_by(DataExport.created_at.desc()))],
        receipt=None if erasure is None else receipt_of(erasure),
        answers=[Answer(*row) for row in await _newest(session, answers.order_by(FeedDecision.created_at.desc()))],
    )


async def _account(session: AsyncSession, user: User, *, cipher: FieldCipher) -> Account:
    factor = await session.get(SecondFactor, user.id)
    opened = select(func.count()).select_from(UserSession)
    opened = opened.where(UserSession.user_id == user.id, UserSession.expires_at > func.now())
    return Account(
        id=user.id,
        username=user.username,
        name=f"{user.first_name} {user.last_name}",
        role=user.role,
        masked_email=_masked(personal_data.email_of(cipher, user)),
        is_active=user.is_active,
        verified=user.verified,
        has_second_factor=factor is not None and factor.confirmed_at is not None,
        session_count=await session.scalar(opened) or 0,
        created_at=user.created_at,
        last_login=user.last_login,
        suspended_until=user.suspended_until,
        erased_at=user.erased_at,
    )


def _require_admin(viewer: Viewer) -> None:
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may see accounts")


def _is_named(cipher: FieldCipher, query: str) -> ColumnElement[bool]:
    try:
        return User.id == UUID(query)
    except ValueError:
        pass
    try:
        return personal_data.has_email(cipher, _EMAIL.validate_python(query))
    except ValidationError:
        return User.username == query.lower()


def _masked(email: str) -> str:
    name, at, domain = email.partition("@")
    return f"{name[:1]}…@{domain}" if at else "…"


async def _newest(session: AsyncSession, statement: Select[Any]) -> Sequence[Row[Any]]:
    return (await session.execute(statement.limit(MAX_LISTED))).all()
