"""Screening of every public text by the content model, which opens cases for moderators.

Screening runs in a job that the writing transaction queues, and is retried when the model is unavailable. Only the
model screens; the fallback rules hold nothing. Private messages are not screened.

======================  =========================================  ==========================================
condition               threshold                                  action
======================  =========================================  ==========================================
moderation verdict      *review*                                   open a case
moderation verdict      *block*                                    open a case, hide until a moderator decides
spam model              ``is_spam``, except for user profiles      open a case
repeated text           ``MIN_REPEATS`` similar texts in 24 hours  open a case
text about self-harm    ``offers_help``                            offer the author help, at most once a day
======================  =========================================  ==========================================
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.contracts.content import ModerationResponse, SpamRequest, SpamResponse, TextRequest, Verdict
from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.db.tables import ModerationCase, User
from transactional_api.core.db.tables.moderation import OPEN_CASES
from transactional_api.core.inference.client import InferenceClient, PredictionSource, Service, job_inference_client
from transactional_api.core.inference.prediction_log import PredictionLogEntry, has_tracking_consent
from transactional_api.core.jobs import queue
from transactional_api.core.moderation import (
    MAX_WORDS,
    SCREEN,
    SEVERITY,
    SUBJECTS,
    CaseState,
    Subject,
    SubjectKind,
    in_whole_text,
    parts_of,
)
from transactional_api.core.notices import Notice, NoticeKind, notify

MIN_REPEATS = 3
"""Number of similar texts of one author within 24 hours that opens a case; nothing is hidden for it."""
MIN_SIMILARITY = 0.8
"""Trigram similarity, as of ``pg_trgm``, from which two texts count as repeated."""
MIN_REPEATED_CHARACTERS, MAX_COMPARED_CHARACTERS, MAX_COMPARED_TEXTS = 40, 2_000, 200

_DAY = 86_400

log = get_logger(__name__)

HELP_TITLE = "You do not have to get through this alone"
HELP_TEXT = (
    "Something you wrote sounds as if you are having a very hard time. Nothing was removed, and nobody was told. If "
    "you think of harming yourself, please call your local emergency number, or a crisis line: "
    "https://findahelpline.com lists those of your country. They are free, confidential and open at night."
)

WITHOUT_SPAM_CHECK = frozenset({SubjectKind.USER, SubjectKind.UPLOAD})
"""Kinds that are not checked for spam: the model was trained on messages and classifies names and captions as spam."""


@queue.handler(SCREEN)
async def screen(context: AppContext, *, kind: str, subject_id: str) -> None:
    """Screen the current text of a subject; idempotent.

    Raises:
        InferenceError: when the model is unavailable; the queue retries.
    """
    if context.settings.content_url is None:
        return
    subject = SUBJECTS[SubjectKind(kind)]
    text = subject.text.label("text")
    async with context.transaction() as session:
        author = aliased(User)
        since = select(author.created_at).where(author.id == subject.owner).scalar_subquery()
        days = (func.extract("epoch", func.now() - since) / _DAY).label("account_days")
        statement = select(subject.owner.label("owner_id"), text, days).where(subject.row_id == UUID(subject_id))
        row = (await session.execute(statement)).one_or_none()
        if row is None or not row.text.strip() or await was_decided(session, kind, UUID(subject_id), row.text):
            return
    target = {"user_id": row.owner_id, "subject_kind": kind, "subject_id": UUID(subject_id)}
    prediction = PredictionLogEntry(Service.CONTENT, "screen", **target)
    async with job_inference_client(context.settings) as inference:
        moderation = await moderate_text(inference, row.text)
        spam = await _spam(inference, row)
    triage = (
        {"source": PredictionSource.MODEL} | moderation.model_dump(mode="json") | {"spam": spam.model_dump(mode="json")}
    )
    async with context.transaction() as session:
        repeated = (
            kind not in WITHOUT_SPAM_CHECK
            and await _repeats(session, subject, subject_id=UUID(subject_id), row=row) >= MIN_REPEATS
        )
        if repeated:
            triage["spam"]["signals"].append("repeats")
        if await has_tracking_consent(session, row.owner_id):
            output = {name: triage[name] for name in ("verdict", "categories", "spam")}
            await prediction.log(SessionRunner(session), output, version=moderation.model_version, reason=None)
        if moderation.offers_help and row.owner_id is not None:
            await _offer_help(session, row.owner_id)
        is_spam = spam.is_spam and kind not in WITHOUT_SPAM_CHECK
        if moderation.verdict is Verdict.ALLOW and not is_spam and not repeated:
            return
        await open_case(
            session,
            kind=SubjectKind(kind),
            subject_id=UUID(subject_id),
            owner_id=row.owner_id,
            text=row.text,
            triage=triage,
        )


async def moderate_text(inference: InferenceClient, text: str) -> ModerationResponse:
    """Return the content model's moderation of a text of any length: the strictest verdict of its parts."""
    responses = [
        (offset, await inference.ask(Service.CONTENT, "/moderate", TextRequest(text=part), ModerationResponse))
        for offset, part in parts_of(text)
        if part.strip()
    ]
    offset, strictest = max(
        responses,
        key=lambda response: (SEVERITY[response[1].verdict], max(response[1].categories.values(), default=0)),
    )
    names = {name for _, response in responses for name in response.categories}
    return strictest.model_copy(
        update={
            "categories": {
                name: max(response.categories.get(name, 0.0) for _, response in responses) for name in names
            },
            "offers_help": any(response.offers_help for _, response in responses),
            "highlights": in_whole_text(strictest.highlights, offset=offset),
        }
    )


async def _offer_help(session: AsyncSession, user_id: UUID) -> None:
    """Tell the author of a text about self-harm where help is; a notice with the same id arrives once."""
    today = datetime.now(UTC).date().isoformat()
    await notify(
        session,
        Notice(
            id=uuid5(user_id, f"help {today}"),
            kind=NoticeKind.PLATFORM_ANNOUNCED,
            subject_kind="user",
            subject_id=user_id,
            title=HELP_TITLE,
            body=HELP_TEXT,
            user_ids=[user_id],
        ),
    )


async def _spam(inference: InferenceClient, row: Any) -> SpamResponse:
    author = {"user_id": str(row.owner_id) if row.owner_id else None, "account_days": row.account_days}
    responses = [
        await inference.ask(Service.CONTENT, "/spam-detection", SpamRequest(text=part, **author), SpamResponse)
        for _, part in parts_of(row.text)
        if part.strip()
    ]
    likeliest = max(responses, key=lambda response: (response.is_spam, response.score))
    return likeliest.model_copy(
        update={"signals": sorted({name for response in responses for name in response.signals})}
    )


async def _repeats(session: AsyncSession, subject: Subject, *, subject_id: UUID, row: Any) -> int:
    """Count similar texts of the same author in the last 24 hours; short texts such as greetings are not compared."""
    if row.owner_id is None or len(row.text) < MIN_REPEATED_CHARACTERS:
        return 0
    table = subject.row_id.class_
    recent = (
        select(func.left(subject.text, MAX_COMPARED_CHARACTERS).label("text"))
        .where(
            subject.owner == row.owner_id,
            subject.row_id != subject_id,
            table.created_at > func.now() - timedelta(days=1),
        )
        .order_by(table.created_at.desc())
        .limit(MAX_COMPARED_TEXTS)
        .subquery()
    )
    is_similar = func.similarity(recent.c.text, row.text[:MAX_COMPARED_CHARACTERS]) >= MIN_SIMILARITY
    return await session.scalar(select(func.count()).select_from(recent).where(is_similar)) or 0


async def was_decided(session: AsyncSession, kind: str, subject_id: UUID, text: str) -> bool:
    """Return whether a moderator has decided about exactly this text."""
    decided = select(ModerationCase.id).filter_by(subject_kind=kind, subject_id=subject_id, state=CaseState.DECIDED)
    return await session.scalar(decided.where(ModerationCase.content_snapshot == text[:MAX_WORDS]).limit(1)) is not None


async def open_case(
    session: AsyncSession,
    *,
    kind: SubjectKind,
    subject_id: UUID,
    owner_id: UUID | None,
    text: str,
    triage: dict[str, Any],
) -> None:
    """Open a case or update the open one; hide the subject if the verdict is *block*."""
    subject = SUBJECTS[kind]
    values = {"content_snapshot": text[:MAX_WORDS], "triage": triage}
    case = upsert(ModerationCase).values(subject_kind=kind, subject_id=subject_id, owner_id=owner_id, **values)
    opened = (
        await session.execute(
            case.on_conflict_do_update(
                index_elements=["subject_kind", "subject_id"], index_where=OPEN_CASES, set_=values
            ).returning(ModerationCase)
        )
    ).scalar_one()
    if opened.is_held or triage["verdict"] != Verdict.BLOCK or subject.is_active is None:
        return
    opened.is_held = await subject.hold(session, subject_id=subject_id)
    log.info("moderation.held", subject_kind=kind, case=str(opened.id))
    if opened.is_held and owner_id is not None:
        highlighted = ", ".join(text[span["begin"] : span["end"]] for span in triage.get("highlights", ()))
        await notify(
            session,
            Notice(
                kind=NoticeKind.MODERATION_DECIDED,
                subject_kind="moderation_case",
                subject_id=opened.id,
                title="A moderator reviews this before it becomes visible",
                body=f"Our check flagged: {highlighted}"[:200] if highlighted else "",
                user_ids=[owner_id],
            ),
        )
