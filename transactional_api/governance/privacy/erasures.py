"""Erasure requests: the account closes immediately, a job erases the data, a receipt lists each location."""

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
from transactional_api.core.db.tables import Erasure, User
from transactional_api.core.errors import NotFoundError, UnauthenticatedError
from transactional_api.core.jobs import queue
from transactional_api.core.viewer import Viewer
from transactional_api.governance.privacy.erasure_job import erase
from transactional_api.governance.privacy.receipts import receipt_of, sign_if_complete
from transactional_api.governance.privacy.schemas import (
    ErasureBody,
    ErasureOut,
    PlatformReceipt,
    ReceiptOut,
    RequestedErasure,
    RequestedErasures,
)
from transactional_api.identity.users import sessions
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.email_address import check_password
from transactional_api.identity.users.sessions import hash_token

REQUESTED_LIMIT: Final = 100
"""Maximum number of erasures in a response and of ids in a request."""


async def request(session: AsyncSession, *, accounts: UserServices, viewer: Viewer, body: ErasureBody) -> ErasureOut:
    """Close the viewer's account and queue the erasure.

    Raises:
        WrongPasswordError: when the password is wrong.
        TooManyAttemptsError: after too many wrong passwords in this session.
    """
    await check_password(session, accounts=accounts, viewer=viewer, password=body.password)
    code = secrets.token_urlsafe(32)
    erasure_id = await begin(session, user_id=viewer.id, keep_words=body.keep_words, code_hash=hash_token(code))
    if erasure_id is None:  # A concurrent request came first.
        raise UnauthenticatedError
    return ErasureOut(id=erasure_id, code=code)


async def begin(session: AsyncSession, *, user_id: UUID, **values: object) -> UUID | None:
    """Store an erasure, close the account and queue the job; return None if the user has an erasure already."""
    new = insert(Erasure).values(user_id=user_id, **values).on_conflict_do_nothing().returning(Erasure.id)
    erasure_id = await session.scalar(new)
    if erasure_id is None:
        return None
    await session.execute(update(User).where(User.id == user_id).values(is_active=False))
    await sessions.end_all(session, user_id=user_id)
    await queue.defer(session, erase, erasure_id=str(erasure_id))
    return erasure_id


async def receipt(session: AsyncSession, *, code: str) -> ReceiptOut:
    """Return the receipt of a code; raises ``NotFoundError`` for any other code."""
    row = await session.scalar(select(Erasure).where(Erasure.code_hash == hash_token(code)))
    if row is None:
        raise NotFoundError
    return receipt_of(row)


async def requested(
    session: AsyncSession, *, ids: Sequence[UUID], since: datetime | None, after: UUID | None
) -> RequestedErasures:
    """Return a page of the erasures with these ids (all if empty), ordered by id."""
    statement = select(Erasure).order_by(Erasure.id).limit(REQUESTED_LIMIT)
    if ids:
        statement = statement.where(Erasure.id.in_(ids))
    if since is not None:
        statement = statement.where(Erasure.requested_at >= since)
    if after is not None:
        statement = statement.where(Erasure.id > after)
    rows = (await session.scalars(statement)).all()
    return RequestedErasures(erasures=[RequestedErasure.model_validate(row) for row in rows])


async def add_platform_receipt(
    session: AsyncSession, *, erasure_id: UUID, body: PlatformReceipt, settings: Settings
) -> None:
    """Add the lines of the pipelines to the receipt, once; raises ``NotFoundError`` for an unknown erasure."""
    row = await session.scalar(select(Erasure).where(Erasure.id == erasure_id).with_for_update())
    if row is None:
        raise NotFoundError
    if row.platform_done_at is None:
        row.receipt = [*row.receipt, *(line.model_dump(mode="json") for line in body.lines)]
        row.influenced_models = [model.model_dump(mode="json") for model in body.influenced_models]
        row.platform_done_at = datetime.now(UTC)
        await session.flush()
    await sign_if_complete(session, erasure_id=erasure_id, settings=settings)
