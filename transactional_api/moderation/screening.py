"""Screening of every text that others can read, in full, by the content model; a moderator sees what it is unsure of.

It happens in a job of the writing transaction: the writer does not wait, a worker takes it up at once, and tries again
when the model does not answer. Only the model sorts; the rules that stand in for it elsewhere keep nothing back. What
is kept back comes back when a moderator lets it stand. What people write to each other in private is not looked at.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from neighborconnect.contracts.content import ModerationAnswer, SpamAnswer, SpamRequest, TextRequest, Verdict
from neighborconnect.telemetry import get_logger
from transactional_api.answers import Path
from transactional_api.db.tables import ModerationCase, User
from transactional_api.db.tables.moderation import OPEN_CASES
from transactional_api.inference import InferenceClient, Service, inference_of_a_job
from transactional_api.jobs import queue
from transactional_api.judgements import Question, is_watched
from transactional_api.moderation.schemas import CaseState, SubjectKind
from transactional_api.moderation.subjects import MAX_WORDS, SEVERITY, SUBJECTS, Subject, parts_of
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.resources import Resources

MANY_REPEATS = 3
"""Somebody who has said the same so many times in a day before is shown to a moderator; nothing is kept back for it."""
ALIKE = 0.8
LEAST_REPEATED, MAX_COMPARED, MOST_COMPARED = 40, 2_000, 200

_DAY = 86_400

log = get_logger(__name__)

WITHOUT_SPAM_CHECK = frozenset({SubjectKind.USER})
"""Kinds that only the moderation model judges: the spam model learned from messages, and takes names for spam."""


async def screen(session: AsyncSession, kind: SubjectKind, subject_id: UUID) -> None:
    """Have something looked at once its transaction is committed."""
    await queue.defer(session, look, kind=kind.value, subject_id=str(subject_id))


@queue.task("moderation.screen", lane=queue.Lane.MODELS)
async def look(resources: Resources, *, kind: str, subject_id: str) -> None:
    """Look at what was written, as it is now; done twice it changes nothing more.

    Raises:
        InferenceError: when the model does not answer; the queue tries again later.
    """
    if resources.settings.content_url is None:
        return
    subject = SUBJECTS[SubjectKind(kind)]
    said = subject.said.label("words")
    async with resources.transaction() as session:
        author = aliased(User)
        since = select(author.created_at).where(author.id == subject.owner).scalar_subquery()
        days = (func.extract("epoch", func.now() - since) / _DAY).label("account_days")
        found = select(subject.owner.label("owner_id"), said, days).where(subject.row_id == UUID(subject_id))
        row = (await session.execute(found)).one_or_none()
        if row is None or not row.words.strip() or await was_decided(session, kind, UUID(subject_id), row.words):
            return
    about = {"user_id": row.owner_id, "subject_kind": kind, "subject_id": UUID(subject_id)}
    question = Question(Service.CONTENT, "screen", **about)
    async with inference_of_a_job(resources.settings) as inference:
        moderation = await moderate_whole(inference, row.words)
        spam = await _spam(inference, row)
    triage = {"path": Path.MODEL} | moderation.model_dump(mode="json") | {"spam": spam.model_dump(mode="json")}
    async with resources.transaction() as session:
        repeated = await _repeats(session, subject, subject_id=UUID(subject_id), row=row) >= MANY_REPEATS
        if repeated:
            triage["spam"]["signals"].append("repeats")
        if await is_watched(session, row.owner_id):
            told = {name: triage[name] for name in ("verdict", "categories", "spam")}
            await question.log(session, told, version=moderation.model_version, reason=None)
        is_spam = spam.is_spam and kind not in WITHOUT_SPAM_CHECK
        if moderation.verdict is Verdict.ALLOW and not is_spam and not repeated:
            return
        await open_case(
            session,
            kind=SubjectKind(kind),
            subject_id=UUID(subject_id),
            owner_id=row.owner_id,
            words=row.words,
            triage=triage,
        )


async def moderate_whole(inference: InferenceClient, text: str) -> ModerationAnswer:
    """Return what the content model would do with a text of any length: the strictest of what it says of its parts."""
    answers = [
        (at, await inference.ask(Service.CONTENT, "/moderate", TextRequest(text=part), ModerationAnswer))
        for at, part in parts_of(text)
        if part.strip()
    ]
    at, strictest = max(answers, key=lambda one: (SEVERITY[one[1].verdict], max(one[1].categories.values(), default=0)))
    names = {name for _, answer in answers for name in answer.categories}
    return strictest.model_copy(
        update={
            "categories": {name: max(answer.categories.get(name, 0.0) for _, answer in answers) for name in names},
            "highlights": [
                one.model_copy(update={"begin": at + one.begin, "end": at + one.end}) for one in strictest.highlights
            ],
        }
    )


async def _spam(inference: InferenceClient, row: Any) -> SpamAnswer:
    writer = {"user_id": str(row.owner_id) if row.owner_id else None, "account_days": row.account_days}
    answers = [
        await inference.ask(Service.CONTENT, "/spam-detection", SpamRequest(text=part, **writer), SpamAnswer)
        for _, part in parts_of(row.words)
        if part.strip()
    ]
    likeliest = max(answers, key=lambda one: (one.is_spam, one.score))
    return likeliest.model_copy(update={"signals": sorted({name for one in answers for name in one.signals})})


async def _repeats(session: AsyncSession, subject: Subject, *, subject_id: UUID, row: Any) -> int:
    """Count what the same person wrote in the last day that says nearly the same; greetings and thanks are short."""
    if row.owner_id is None or len(row.words) < LEAST_REPEATED:
        return 0
    table = subject.row_id.class_
    lately = (
        select(func.left(subject.said, MAX_COMPARED).label("words"))
        .where(
            subject.owner == row.owner_id,
            subject.row_id != subject_id,
            table.created_at > func.now() - timedelta(days=1),
        )
        .order_by(table.created_at.desc())
        .limit(MOST_COMPARED)
        .subquery()
    )
    alike = func.similarity(lately.c.words, row.words[:MAX_COMPARED]) >= ALIKE
    return await session.scalar(select(func.count()).select_from(lately).where(alike)) or 0


async def was_decided(session: AsyncSession, kind: str, subject_id: UUID, words: str) -> bool:
    """Whether a moderator has decided about these very words: then it is not asked again."""
    decided = select(ModerationCase.id).filter_by(subject_kind=kind, subject_id=subject_id, state=CaseState.DECIDED)
    return await session.scalar(decided.where(ModerationCase.words == words[:MAX_WORDS]).limit(1)) is not None


async def open_case(
    session: AsyncSession,
    *,
    kind: SubjectKind,
    subject_id: UUID,
    owner_id: UUID | None,
    words: str,
    triage: dict[str, Any],
) -> None:
    """Open a case, or bring the open one up to date, and keep the thing back where its verdict says so."""
    subject = SUBJECTS[kind]
    said = {"words": words[:MAX_WORDS], "triage": triage}
    case = upsert(ModerationCase).values(subject_kind=kind, subject_id=subject_id, owner_id=owner_id, **said)
    opened = (
        await session.execute(
            case.on_conflict_do_update(
                index_elements=["subject_kind", "subject_id"], index_where=OPEN_CASES, set_=said
            ).returning(ModerationCase)
        )
    ).scalar_one()
    if opened.held or triage["verdict"] != Verdict.BLOCK or subject.is_active is None:
        return
    opened.held = await subject.hold(session, subject_id=subject_id)
    log.info("moderation.held", subject_kind=kind, case=str(opened.id))
    if opened.held and owner_id is not None:
        stopped_at = ", ".join(words[one["begin"] : one["end"]] for one in triage.get("highlights", ()))
        await notify(
            session,
            Notice(
                kind=NoticeKind.MODERATION_DECIDED,
                subject_kind="moderation_case",
                subject_id=opened.id,
                title="A moderator looks at this before others see it",
                body=f"Our check stopped at: {stopped_at}"[:200] if stopped_at else "",
                user_ids=[owner_id],
            ),
        )
