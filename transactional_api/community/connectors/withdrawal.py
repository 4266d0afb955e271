"""Withdrawal of join requests and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.db.tables import Invitation, JoinRequest
from transactional_api.core.withdrawals import Who, step


@step("connectors.drop_requests")
async def drop_requests(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Delete pending join requests."""
    await _delete(session, JoinRequest.connector_id == connector_id, who(JoinRequest.user_id), of=JoinRequest)


@step("connectors.drop_invitations")
async def drop_invitations(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Delete pending invitations to users."""
    await _delete(session, Invitation.connector_id == connector_id, who(Invitation.user_id), of=Invitation)


@step("connectors.drop_invitations_by")
async def drop_invitations_by(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Delete pending invitations that users sent."""
    await _delete(session, Invitation.connector_id == connector_id, who(Invitation.invited_by), of=Invitation)


@step("connectors.drop_invitations_between")
async def drop_invitations_between(session: AsyncSession, *, one: UUID, other: UUID) -> None:
    """Delete pending invitations of each of two users by the other."""
    await _delete(session, _either(Invitation.user_id, Invitation.invited_by, one=one, other=other), of=Invitation)


def _either(left: InstrumentedAttribute[UUID], right: InstrumentedAttribute[UUID], *, one: UUID, other: UUID) -> Any:
    return or_(and_(left == one, right == other), and_(left == other, right == one))


async def _delete(session: AsyncSession, *conditions: Any, of: Any) -> None:
    await session.execute(delete(of).where(*conditions).execution_options(synchronize_session=False))
