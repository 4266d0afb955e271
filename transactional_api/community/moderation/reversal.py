"""Reversal of decisions: after an appeal, or at the end of a temporary decision."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import ModerationCase, ModerationDecision, User
from transactional_api.core.jobs import queue
from transactional_api.core.moderation import SUBJECTS, Outcome, SubjectKind


@queue.task("moderation.expire")
async def expire(context: AppContext, *, decision_id: str) -> None:
    """Reverse a temporary decision at its end."""
    async with context.transaction() as session:
        await reverse(session, decision_id=UUID(decision_id))


async def reverse(session: AsyncSession, *, decision_id: UUID) -> None:
    """Reverse a decision once; content that another decision hides stays hidden."""
    decision = await session.get_one(ModerationDecision, decision_id, with_for_update=True)
    if decision.undone_at is not None:
        return
    decision.undone_at = datetime.now(UTC)
    case = await session.get_one(ModerationCase, decision.case_id)
    if decision.took_effect and decision.outcome in {Outcome.HIDE, Outcome.REMOVE}:
        await SUBJECTS[SubjectKind(case.subject_kind)].show(session, subject_id=case.subject_id, on=True)
    elif decision.took_effect and decision.outcome == Outcome.SUSPEND:
        await session.execute(update(User).where(User.id == case.owner_id).values(suspended_until=None))
    await session.flush()
