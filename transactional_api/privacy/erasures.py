"""The wish to be forgotten: the account closes at once, a job sees to the rest, a receipt tells of each place."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.auth import Viewer
from transactional_api.callers import is_platform
from transactional_api.db.tables import Erasure, User
from transactional_api.errors import NotFoundError, Problem, UnauthenticatedError
from transactional_api.jobs import queue
from transactional_api.privacy.forgetting import forget
from transactional_api.privacy.schemas import (
    ErasureBody,
    ErasureOut,
    PlatformReceipt,
    ReceiptLine,
    ReceiptOut,
    RequestedErasure,
    RequestedErasures,
)
from transactional_api.users import sessions
from transactional_api.users.accounts import Accounts
from transactional_api.users.mailbox import prove_password
from transactional_api.users.sessions import hash_token

REQUESTED_LIMIT: Final = 100
"""Erasures in one answer, and ids in one question."""


class NotThePlatformError(Problem):
    """Whoever asks does not have the platform's token."""

    status, code, title = 403, "not_the_platform", "This is for the platform's own pipelines"


async def request(session: AsyncSession, *, accounts: Accounts, viewer: Viewer, body: ErasureBody) -> ErasureOut:
    """Close the viewer's account and queue the forgetting.

    Raises:
        WrongPasswordError: when the password is another.
        TooManyAttemptsError: when it was guessed too often in this session.
    """
    await prove_password(session, accounts=accounts, viewer=viewer, password=body.password)
    code = secrets.token_urlsafe(32)
    values = {"user_id": viewer.id, "keeps_words": body.keep_words, "code_hash": hash_token(code)}
    new = insert(Erasure).values(values).on_conflict_do_nothing().returning(Erasure.id)
    erasure_id = await session.scalar(new)
    if erasure_id is None:  # Asked for twice in the same moment.
        raise UnauthenticatedError
    await session.execute(update(User).where(User.id == viewer.id).values(is_active=False))
    await sessions.end_all(session, user_id=viewer.id)
    await queue.defer(session, forget, erasure_id=str(erasure_id))
    return ErasureOut(id=erasure_id, code=code)


async def receipt(session: AsyncSession, *, code: str) -> ReceiptOut:
    """Return the receipt that a code was given for; raises ``NotFoundError`` for any other code."""
    row = await session.scalar(select(Erasure).where(Erasure.code_hash == hash_token(code)))
    if row is None:
        raise NotFoundError
    return ReceiptOut(
        requested_at=row.requested_at,
        keeps_words=row.keeps_words,
        done_at=row.done_at,
        platform_done_at=row.platform_done_at,
        lines=[ReceiptLine.model_validate(line) for line in row.receipt],
    )


def prove_platform(settings: Settings, *, token: str | None) -> None:
    """Let nobody pass but the platform's own pipelines; raises ``NotThePlatformError``."""
    if not is_platform(settings, token):
        raise NotThePlatformError


async def requested(
    session: AsyncSession, *, ids: Sequence[UUID], since: datetime | None, after: UUID | None
) -> RequestedErasures:
    """Return the erasures with these ids (of all where there are none) in the order of their ids, a page of them."""
    statement = select(Erasure).order_by(Erasure.id).limit(REQUESTED_LIMIT)
    if ids:
        statement = statement.where(Erasure.id.in_(ids))
    if since is not None:
        statement = statement.where(Erasure.requested_at >= since)
    if after is not None:
        statement = statement.where(Erasure.id > after)
    rows = (await session.scalars(statement)).all()
    return RequestedErasures(erasures=[RequestedErasure.model_validate(row) for row in rows])


async def take_platform_receipt(session: AsyncSession, *, erasure_id: UUID, body: PlatformReceipt) -> None:
    """Put what the pipelines saw to on the receipt, once; raises ``NotFoundError`` for an unknown erasure."""
    row = await session.scalar(select(Erasure).where(Erasure.id == erasure_id).with_for_update())
    if row is None:
        raise NotFoundError
    if row.platform_done_at is None:
        row.receipt = [*row.receipt, *(line.model_dump(mode="json") for line in body.lines)]
        row.platform_done_at = datetime.now(UTC)
        await session.flush()
