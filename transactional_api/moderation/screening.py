"""What was just written is looked at by the content model, and what it is unsure of is shown to a moderator.

It happens in a job of the writing transaction: the writer does not wait, and a worker takes it up at once. Only a model
sorts; the rules that stand in for it answer who asks, and keep nothing back by themselves. What is kept back comes
back when a moderator lets it stand; a message and a person cannot be kept back, only looked at.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import Verdict
from neighborconnect.telemetry import get_logger
from transactional_api.analysis import service as analysis
from transactional_api.analysis.schemas import TextBody
from transactional_api.answers import Path
from transactional_api.db.tables import ModerationCase
from transactional_api.inference import InferenceClient
from transactional_api.jobs import queue
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.moderation.subjects import SUBJECTS
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.resources import Resources

MAX_LOOKED_AT = 5_000

log = get_logger(__name__)


async def screen(session: AsyncSession, kind: SubjectKind, subject_id: UUID) -> None:
    """Have something looked at once its transaction is committed."""
    await queue.defer(session, look, kind=kind.value, subject_id=str(subject_id))


@queue.task("moderation.screen")
async def look(resources: Resources, *, kind: str, subject_id: str) -> None:
    """Look at what was written, as it is now; done twice it changes nothing more."""
    subject = SUBJECTS[SubjectKind(kind)]
    said = func.concat_ws("\n", *subject.words).label("words")
    async with resources.transaction() as session:
        found = select(subject.owner.label("owner_id"), said).where(subject.row_id == UUID(subject_id))
        row = (await session.execute(found)).one_or_none()
    if row is None or not row.words.strip():
        return
    text = TextBody(text=row.words[:MAX_LOOKED_AT])
    inference = InferenceClient(resources.settings)
    try:
        moderation, spam = await analysis.moderate(inference, text), await analysis.detect_spam(inference, text)
    finally:
        await inference.aclose()
    if moderation.path is not Path.MODEL or (moderation.verdict is Verdict.ALLOW and not spam.is_spam):
        return
    triage = moderation.model_dump(mode="json") | {"spam": spam.model_dump(mode="json")}
    async with resources.transaction() as session:
        await _open_case(session, kind=kind, subject_id=UUID(subject_id), row=row, triage=triage)


async def _open_case(session: AsyncSession, *, kind: str, subject_id: UUID, row: Any, triage: dict[str, Any]) -> None:
    """Open a case, and keep the thing back where the policy says so; one that is open already stays as it is."""
    subject = SUBJECTS[SubjectKind(kind)]
    case = upsert(ModerationCase).values(
        subject_kind=kind, subject_id=subject_id, owner_id=row.owner_id, words=row.words, triage=triage
    )
    opened = await session.scalar(
        case.on_conflict_do_nothing(
            index_elements=["subject_kind", "subject_id"], index_where=ModerationCase.state == "open"
        ).returning(ModerationCase)
    )
    if opened is None:
        return
    if triage["verdict"] == Verdict.BLOCK and subject.is_active is not None:
        opened.held = await subject.show(session, subject_id=subject_id, on=False)
    log.info("text.flagged", subject_kind=kind, verdict=triage["verdict"], held=opened.held)
    if opened.held and row.owner_id is not None:
        words = ", ".join(row.words[one["begin"] : one["end"]] for one in triage["highlights"])
        await notify(
            session,
            Notice(
                kind=NoticeKind.MODERATION_DECIDED,
                subject_kind="moderation_case",
                subject_id=opened.id,
                title="A moderator looks at this before others see it",
                body=f"Our check stopped at: {words}"[:200] if words else "",
                user_ids=[row.owner_id],
            ),
        )
