"""What happens to cases without a moderator: a first look by the content model, and the end of what is temporary."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.analysis import service as analysis
from transactional_api.analysis.schemas import TextBody
from transactional_api.db.tables import ModerationCase, ModerationDecision, User
from transactional_api.inference import inference_of_a_job
from transactional_api.jobs import queue
from transactional_api.moderation.schemas import Outcome, SubjectKind
from transactional_api.moderation.subjects import SEVERITY, SUBJECTS, parts_of
from transactional_api.resources import Resources


@queue.task("moderation.triage", lane=queue.Lane.MODELS)
async def triage(resources: Resources, *, case_id: str) -> None:
    """Let the content model, or the rules, look at what was reported; a moderator decides all the same."""
    async with resources.transaction() as session:
        words = await session.scalar(select(ModerationCase.words).where(ModerationCase.id == UUID(case_id)))
    if not words or not words.strip():
        return
    async with inference_of_a_job(resources.settings) as inference:
        answers = [
            await analysis.moderate(inference, TextBody(text=part)) for _, part in parts_of(words) if part.strip()
        ]
    answer = max(answers, key=lambda one: SEVERITY[one.verdict])
    async with resources.transaction() as session:
        looked = update(ModerationCase).where(ModerationCase.id == UUID(case_id))
        await session.execute(looked.values(triage=answer.model_dump(mode="json")))


@queue.task("moderation.end")
async def end(resources: Resources, *, decision_id: str) -> None:
    """Show again what was hidden for a time."""
    async with resources.transaction() as session:
        await undo(session, decision_id=UUID(decision_id))


async def undo(session: AsyncSession, *, decision_id: UUID) -> None:
    """Take a decision back, once; what others hid meanwhile stays hidden."""
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
