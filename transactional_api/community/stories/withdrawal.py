"""Withdrawal of stories and reels from a connector that their author is banned from."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import MediaCaption
from transactional_api.core.withdrawals import Who, step


@step("stories.hide_stories")
async def hide_stories(session: AsyncSession, *, connector_id: UUID, who: Who) -> None:
    """Hide stories and reels of people; their authors can still delete them."""
    shown = update(MediaCaption).where(MediaCaption.connector_id == connector_id, who(MediaCaption.author_id))
    await session.execute(shown.values(is_active=False).execution_options(synchronize_session=False))
