"""Triage of reported texts by the content model or, as a fallback, by rules, to order the moderators' queue."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update

from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import ModerationCase
from transactional_api.core.inference.client import job_inference_client
from transactional_api.core.jobs import queue
from transactional_api.core.moderation import SEVERITY, TRIAGE, in_whole_text, parts_of
from transactional_api.intelligence.text_analysis import service as analysis
from transactional_api.intelligence.text_analysis.schemas import TextBody


@queue.handler(TRIAGE)
async def triage(context: AppContext, *, case_id: str) -> None:
    """Store the assessment of a reported text in its case; a moderator decides."""
    async with context.transaction() as session:
        text = await session.scalar(select(ModerationCase.content_snapshot).where(ModerationCase.id == UUID(case_id)))
    if not text or not text.strip():
        return
    async with job_inference_client(context.settings) as inference:
        results = [
            (offset, await analysis.moderate(inference, TextBody(text=part)))
            for offset, part in parts_of(text)
            if part.strip()
        ]
    offset, strictest = max(results, key=lambda result: SEVERITY[result[1].verdict])
    assessment = strictest.model_copy(update={"highlights": in_whole_text(strictest.highlights, offset=offset)})
    async with context.transaction() as session:
        statement = update(ModerationCase).where(ModerationCase.id == UUID(case_id))
        await session.execute(statement.values(triage=assessment.model_dump(mode="json")))
