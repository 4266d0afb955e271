"""Withdrawal step: end follows between two users after a block."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, delete, or_
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import Follow
from transactional_api.core.withdrawals import step


@step("relationships.end_follows")
async def end_follows(session: AsyncSession, *, one: UUID, other: UUID) -> None:
    """End follows in both directions."""
    either = or_(
        and_(Follow.follower_id == one, Follow.followee_id == other),
        and_(Follow.follower_id == other, Follow.followee_id == one),
    )
    await session.execute(delete(Follow).where(either).execution_options(synchronize_session=False))
