"""Keeps what texts mean up to date, and says what asked words mean: both by the encoder of the content service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from cachetools import TTLCache
from fastapi import Depends, Request
from sqlalchemy import and_, delete, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import MAX_TEXTS, EmbedAnswer, EmbedRequest
from neighborconnect.telemetry import get_logger
from transactional_api.db.meanings import KINDS, MEANINGS
from transactional_api.db.tables import TEXTS, Erasure
from transactional_api.inference import InferenceClient, InferenceError, Service, inference_of_a_job
from transactional_api.jobs import queue
from transactional_api.resources import Resources
from transactional_api.search.queries import SEARCHED
from transactional_api.search.schemas import FoundKind

LONGEST = 1_000
"""Characters of a text that are looked at; the encoder reads some 250 words."""
SECONDS_AT_ONCE = 45
"""After how long what is not learnt yet is left to the next minute."""
MOST_AT_ONCE = 5_000
"""Of each kind; more than are learnt in a minute."""
REMEMBERED = 1_024
"""How many searched words a process remembers the meaning of; some 12 KiB each."""
REMEMBERED_SECONDS = 60
# By whom a row was written, for each kind.
_WRITERS = {"connector": "created_by", "post": "author_id", "event": "created_by", "item": "seller_id"}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of a text, and the encoder whose vectors it may be compared with."""

    embedding: list[float]
    encoder: str


async def are_kept(session: AsyncSession) -> bool:
    """Whether this PostgreSQL keeps meanings."""
    return await session.scalar(select(func.to_regclass(MEANINGS.name))) is not None


class AskedWords:
    """What asked words mean, remembered for a while: people page through a search, and come back to it.

    One a process. A new encoder's vectors are asked for once the old one's are forgotten; until then they are compared
    with what the old one learnt.
    """

    def __init__(self, inference: InferenceClient) -> None:
        self._inference = inference
        self._known: TTLCache[str, Meaning] = TTLCache(REMEMBERED, ttl=REMEMBERED_SECONDS)

    async def meaning(self, session: AsyncSession, words: str) -> Meaning | None:
        """Return what words mean; None where no encoder answers, or nothing is kept to compare with."""
        meaning = self._known.get(words)
        if meaning is None:
            try:
                meaning = (await _encode(self._inference, [words]))[0]
            except InferenceError:
                return None
            self._known[words] = meaning
        return meaning if await are_kept(session) else None


async def _asked_words(request: Request) -> AskedWords:
    words: AskedWords = request.app.state.asked_words
    return words


AskedWordsDep = Annotated[AskedWords, Depends(_asked_words)]
"""What asked words mean."""


@queue.periodic("* * * * *")
@queue.task("search.learn_meanings", retry=False, lane=queue.Lane.MODELS)
async def learn(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Learn what new and changed texts mean. What is not done this minute is done in the next."""
    try:
        async with inference_of_a_job(resources.settings) as inference:
            learnt = await learn_all(resources, inference)
    except InferenceError as error:
        log.info("meanings.no_encoder", reason=error.reason)
    else:
        log.info("meanings.learnt", number=learnt)


@queue.periodic("27 * * * *")
@queue.task("search.drop_meanings")
async def drop(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Drop the meanings of what is gone or withdrawn, or has no words any more."""
    async with resources.transaction() as session:
        if await are_kept(session):
            for kind in KINDS:
                await session.execute(_without_words(kind))


async def learn_all(resources: Resources, inference: InferenceClient) -> int:
    """Learn what is missing, and begin no batch after ``SECONDS_AT_ONCE``; return how many texts were learnt.

    It rests as long as it worked: others ask the encoder and the database as well, and a batch that is slow since the
    processors are wanted is followed by a rest that is longer.

    Raises:
        InferenceError: when the encoder does not answer.
    """
    async with resources.transaction() as session:
        if not await are_kept(session):
            return 0
    encoder = (await _encode(inference, ["."]))[0].encoder
    learnt, ends = 0, time.monotonic() + SECONDS_AT_ONCE
    for kind in KINDS:
        # Once for all batches: it looks through everything that there is.
        async with resources.transaction() as session:
            unknown = (await session.scalars(_unknown(kind, encoder=encoder))).all()
        for first in range(0, len(unknown), MAX_TEXTS):
            if (began := time.monotonic()) >= ends:
                return learnt
            learnt += await _learn_batch(resources, inference, kind, unknown[first : first + MAX_TEXTS])
            await asyncio.sleep(time.monotonic() - began)
    return learnt


async def _learn_batch(resources: Resources, inference: InferenceClient, kind: str, ids: Sequence[UUID]) -> int:
    """Learn what some texts mean now; return how many of them there still are."""
    async with resources.transaction() as session:
        rows = (await session.execute(_texts(kind, ids=ids))).all()
    if rows:
        meanings = await _encode(inference, [row.text for row in rows])
        async with resources.transaction() as session:
            await _keep(session, kind, rows=rows, meanings=meanings)
    return len(rows)


async def forget(session: AsyncSession, erasure: Erasure) -> int:
    """Drop the meanings of all that a person wrote."""
    if not await are_kept(session):
        return 0
    dropped = 0
    for kind in KINDS:
        table: Any = SEARCHED[FoundKind(kind)].table
        theirs = select(table.id).where(getattr(table, _WRITERS[kind]) == erasure.user_id)
        gone = delete(MEANINGS).where(MEANINGS.c.kind == kind, MEANINGS.c.subject_id.in_(theirs))
        dropped += (await session.execute(gone)).rowcount  # type: ignore[attr-defined]
    return dropped


async def _encode(inference: InferenceClient, texts: list[str]) -> list[Meaning]:
    answer = await inference.ask(Service.CONTENT, "/embed", EmbedRequest(texts=texts), EmbedAnswer)
    return [Meaning(embedding, answer.model_version) for embedding in answer.embeddings]


def _unknown(kind: str, *, encoder: str) -> Any:
    """Return ids of a kind whose meaning is not known, or that of other words or by another encoder, newest first."""
    table, words = _words(kind)
    known = and_(MEANINGS.c.kind == kind, MEANINGS.c.subject_id == table.id)
    stale = or_(
        MEANINGS.c.subject_id.is_(None), MEANINGS.c.encoder != encoder, MEANINGS.c.updated_at != table.updated_at
    )
    return (
        select(table.id)
        .outerjoin(MEANINGS, known)
        .where(table.is_active.is_(True), words != "", stale)
        .order_by(table.updated_at.desc())
        .limit(MOST_AT_ONCE)
    )


def _texts(kind: str, *, ids: Sequence[UUID]) -> Any:
    table, words = _words(kind)
    return select(table.id, table.updated_at, words.label("text")).where(
        table.id.in_(ids), table.is_active.is_(True), words != ""
    )


def _words(kind: str) -> tuple[Any, Any]:
    """Return the table of a kind, and the words of a row of it that are looked at."""
    table: Any = SEARCHED[FoundKind(kind)].table
    return table, func.left(func.btrim(TEXTS[table]), LONGEST)


async def _keep(session: AsyncSession, kind: str, *, rows: Sequence[Any], meanings: Sequence[Meaning]) -> None:
    values = [
        {
            "kind": kind,
            "subject_id": row.id,
            "embedding": meaning.embedding,
            "encoder": meaning.encoder,
            "updated_at": row.updated_at,
        }
        for row, meaning in zip(rows, meanings, strict=True)
    ]
    new = insert(MEANINGS).values(values)
    changed = {name: new.excluded[name] for name in ("embedding", "encoder", "updated_at")}
    await session.execute(new.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=changed))


def _without_words(kind: str) -> Any:
    table: Any = SEARCHED[FoundKind(kind)].table
    lives = exists().where(
        table.id == MEANINGS.c.subject_id, table.is_active.is_(True), func.btrim(TEXTS[table]) != literal("")
    )
    return delete(MEANINGS).where(MEANINGS.c.kind == kind, ~lives)
