"""Embeddings of texts for semantic search: background updates, and the embedding of search queries.

Both use the encoder of the content service.
"""

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

from neighborconnect.contracts.content import MAX_TEXTS, EmbedRequest, EmbedResponse
from neighborconnect.telemetry import get_logger
from transactional_api.community.search.queries import SEARCH_SOURCES
from transactional_api.community.search.schemas import SearchKind
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.embeddings import EMBEDDINGS, KINDS
from transactional_api.core.db.tables import TEXTS, Erasure
from transactional_api.core.inference.client import InferenceClient, InferenceError, Service, job_inference_client
from transactional_api.core.jobs import queue

MAX_CHARACTERS = 1_000
"""Characters of a text that are encoded; the encoder reads about 250 words."""
MAX_RUN_SECONDS = 45
"""Time in seconds after which the remaining texts are left to the next run."""
MAX_TEXTS_PER_RUN = 5_000
"""Texts of each kind in one run; more than a run can encode."""
CACHE_SIZE = 1_024
"""Query embeddings cached by each process, about 12 KiB each."""
CACHE_SECONDS = 60
# Column with the author of a row, by kind.
_WRITERS = {"connector": "created_by", "post": "author_id", "event": "created_by", "item": "seller_id"}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """The vector of a text and the encoder; only vectors of the same encoder are comparable."""

    vector: list[float]
    encoder: str


async def embeddings_available(session: AsyncSession) -> bool:
    """Return whether this PostgreSQL has the embeddings table, which requires pgvector."""
    return await session.scalar(select(func.to_regclass(EMBEDDINGS.name))) is not None


class QueryEmbedder:
    """Embeds search queries and caches the result, since users page through a search. One for each process.

    After a change of the encoder, cached embeddings match the rows of the previous encoder until they expire.
    """

    def __init__(self, inference: InferenceClient) -> None:
        self._inference = inference
        self._cache: TTLCache[str, TextEmbedding] = TTLCache(CACHE_SIZE, ttl=CACHE_SECONDS)

    async def embed(self, session: AsyncSession, text: str) -> TextEmbedding | None:
        """Return the embedding of a query; None if the encoder is unavailable or no embeddings are stored."""
        embedding = self._cache.get(text)
        if embedding is None:
            try:
                embedding = (await _encode(self._inference, [text]))[0]
            except InferenceError:
                return None
            self._cache[text] = embedding
        return embedding if await embeddings_available(session) else None


async def _query_embedder(request: Request) -> QueryEmbedder:
    embedder: QueryEmbedder = request.app.state.query_embedder
    return embedder


QueryEmbedderDep = Annotated[QueryEmbedder, Depends(_query_embedder)]
"""The query embedder of the process."""


@queue.periodic("* * * * *")
@queue.task("search.update_embeddings", retry=False, lane=queue.Lane.MODELS)
async def update_embeddings(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Embed new and changed texts. The remainder is left to the next run, a minute later."""
    try:
        async with job_inference_client(context.settings) as inference:
            updated = await update_all(context, inference)
    except InferenceError as error:
        log.info("embeddings.encoder_unavailable", reason=error.reason)
    else:
        log.info("embeddings.updated", count=updated)


@queue.periodic("27 * * * *")
@queue.task("search.delete_orphaned_embeddings")
async def delete_orphans(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Delete the embeddings of deleted, inactive and empty texts."""
    async with context.transaction() as session:
        if await embeddings_available(session):
            for kind in KINDS:
                await session.execute(_orphans(kind))


async def update_all(context: AppContext, inference: InferenceClient) -> int:
    """Embed missing and outdated texts until ``MAX_RUN_SECONDS``; return the number of updated texts.

    Runs at a duty cycle of 50 %: after each batch it sleeps for as long as the batch took, so that other users of the
    encoder and the database are not starved.

    Raises:
        InferenceError: the encoder is unavailable.
    """
    async with context.transaction() as session:
        if not await embeddings_available(session):
            return 0
    encoder = (await _encode(inference, ["."]))[0].encoder
    updated, ends = 0, time.monotonic() + MAX_RUN_SECONDS
    for kind in KINDS:
        # Queried once for all batches, because it scans whole tables.
        async with context.transaction() as session:
            outdated = (await session.scalars(_outdated(kind, encoder=encoder))).all()
        for start in range(0, len(outdated), MAX_TEXTS):
            if (started := time.monotonic()) >= ends:
                return updated
            updated += await _update_batch(context, inference, kind, outdated[start : start + MAX_TEXTS])
            await asyncio.sleep(time.monotonic() - started)
    return updated


async def _update_batch(context: AppContext, inference: InferenceClient, kind: str, ids: Sequence[UUID]) -> int:
    """Embed the current texts of some rows; return how many of them still exist."""
    async with context.transaction() as session:
        rows = (await session.execute(_texts(kind, ids=ids))).all()
    if rows:
        embeddings = await _encode(inference, [row.text for row in rows])
        async with context.transaction() as session:
            await _store(session, kind, rows=rows, embeddings=embeddings)
    return len(rows)


async def erase(session: AsyncSession, erasure: Erasure) -> int:
    """Delete the embeddings of everything that a user wrote."""
    if not await embeddings_available(session):
        return 0
    deleted = 0
    for kind in KINDS:
        table: Any = SEARCH_SOURCES[SearchKind(kind)].table
        own_rows = select(table.id).where(getattr(table, _WRITERS[kind]) == erasure.user_id)
        statement = delete(EMBEDDINGS).where(EMBEDDINGS.c.kind == kind, EMBEDDINGS.c.subject_id.in_(own_rows))
        deleted += (await session.execute(statement)).rowcount  # type: ignore[attr-defined]
    return deleted


async def _encode(inference: InferenceClient, texts: list[str]) -> list[TextEmbedding]:
    answer = await inference.ask(Service.CONTENT, "/embed", EmbedRequest(texts=texts), EmbedResponse)
    return [TextEmbedding(embedding, answer.model_version) for embedding in answer.embeddings]


def _outdated(kind: str, *, encoder: str) -> Any:
    """Select ids of a kind without an embedding of the current text and encoder, newest first."""
    table, content = _content(kind)
    is_embedding_of = and_(EMBEDDINGS.c.kind == kind, EMBEDDINGS.c.subject_id == table.id)
    stale = or_(
        EMBEDDINGS.c.subject_id.is_(None), EMBEDDINGS.c.encoder != encoder, EMBEDDINGS.c.updated_at != table.updated_at
    )
    return (
        select(table.id)
        .outerjoin(EMBEDDINGS, is_embedding_of)
        .where(table.is_active.is_(True), content != "", stale)
        .order_by(table.updated_at.desc())
        .limit(MAX_TEXTS_PER_RUN)
    )


def _texts(kind: str, *, ids: Sequence[UUID]) -> Any:
    table, content = _content(kind)
    return select(table.id, table.updated_at, content.label("text")).where(
        table.id.in_(ids), table.is_active.is_(True), content != ""
    )


def _content(kind: str) -> tuple[Any, Any]:
    """Return the table of a kind and the expression of the text that is encoded."""
    table: Any = SEARCH_SOURCES[SearchKind(kind)].table
    return table, func.left(func.btrim(TEXTS[table]), MAX_CHARACTERS)


async def _store(session: AsyncSession, kind: str, *, rows: Sequence[Any], embeddings: Sequence[TextEmbedding]) -> None:
    values = [
        {
            "kind": kind,
            "subject_id": row.id,
            "embedding": embedding.vector,
            "encoder": embedding.encoder,
            "updated_at": row.updated_at,
        }
        for row, embedding in zip(rows, embeddings, strict=True)
    ]
    new = insert(EMBEDDINGS).values(values)
    changed = {name: new.excluded[name] for name in ("embedding", "encoder", "updated_at")}
    await session.execute(new.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=changed))


def _orphans(kind: str) -> Any:
    table: Any = SEARCH_SOURCES[SearchKind(kind)].table
    is_active = exists().where(
        table.id == EMBEDDINGS.c.subject_id, table.is_active.is_(True), func.btrim(TEXTS[table]) != literal("")
    )
    return delete(EMBEDDINGS).where(EMBEDDINGS.c.kind == kind, ~is_active)
