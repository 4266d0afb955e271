"""Search vocabulary: document frequencies of words, and the detected language of each document.

Writers append to ``search_changes`` without waiting; one job aggregates the changes into ``search_words``. A document
is searchable as soon as it is committed; only spelling corrections depend on the job.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from functools import cache
from typing import Any
from uuid import UUID

from py3langid.langid import MODEL_FILE, LanguageIdentifier
from sqlalchemy import TextClause, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Uuid

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Erasure
from transactional_api.core.db.tables.searched import BUCKET, SOURCES, SearchDocument, Source, joined
from transactional_api.core.jobs import queue

BATCH = 1_000
"""Changes in one transaction."""
MAX_RUN_SECONDS = 45
"""Time in seconds after which the remainder is left to the next run."""
MIN_LETTERS, MIN_PROBABILITY = 20, 0.9
"""Below either, a text keeps its language: short texts are often detected as a neighboring language."""
DETECTED_CHARACTERS = 1_000
LANGUAGES = {
    "ar": "arabic",
    "hy": "armenian",
    "eu": "basque",
    "ca": "catalan",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "ga": "irish",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""ISO 639-1 codes of the languages with a stemmer in PostgreSQL; every other language is ``simple``."""
_LOCK = 7_235_026

log = get_logger(__name__)

_TAKE_CHANGES = text("""
    WITH taken AS (
        DELETE FROM search_changes WHERE number IN (SELECT number FROM search_changes ORDER BY number LIMIT :batch_size)
        RETURNING kind, subject_id, language, change, words
    ), counted AS (
        INSERT INTO search_words AS known (word, documents)
        SELECT word, sum(change) FROM taken CROSS JOIN unnest(words) word GROUP BY word HAVING sum(change) <> 0
        ORDER BY word
        ON CONFLICT (word) DO UPDATE SET documents = known.documents + excluded.documents
    ), measured AS (
        INSERT INTO search_languages AS known (language, documents, lexemes)
        SELECT language, sum(change), sum(change * cardinality(words)) FROM taken GROUP BY language
        ON CONFLICT (language) DO UPDATE SET
            documents = known.documents + excluded.documents, lexemes = known.lexemes + excluded.lexemes
    )
    SELECT kind, subject_id, bool_or(change > 0) AS is_present FROM taken GROUP BY kind, subject_id
""")
_DROP_UNUSED = text("DELETE FROM search_words WHERE documents = 0")
_SET_LANGUAGES = text("""
    UPDATE search_documents SET language = learned.language,
        words = search_lexemes(learned.language, learned.title, learned.body)
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:languages AS text[]), CAST(:titles AS text[]), CAST(:bodies AS text[])
    ) AS learned (id, language, title, body)
    WHERE search_documents.kind = :kind AND subject_id = learned.id
        AND search_documents.language <> learned.language
""")
_REFILL = """
    INSERT INTO search_documents (kind, subject_id, connector_id, language, bucket, words)
    SELECT '{kind}', id, {connector}, '{language}', row_number() OVER (ORDER BY created_at, id) / {bucket},
        search_lexemes('{language}', {title}, {body})
    FROM {table} WHERE is_active ON CONFLICT DO NOTHING
"""
_RECOUNT = """
    DELETE FROM search_changes;
    DELETE FROM search_words;
    DELETE FROM search_languages;
    INSERT INTO search_words (word, documents) SELECT word, ndoc FROM ts_stat('SELECT words FROM search_documents');
    INSERT INTO search_languages (language, documents, lexemes)
        SELECT language, count(*), sum(length(words)) FROM search_documents GROUP BY language;
    SELECT setval('search_documents_number', greatest(
        (SELECT last_value FROM search_documents_number),
        (SELECT coalesce(max(bucket), 0) + 1 FROM search_documents) * CAST(:bucket AS bigint)
    ))
"""


@queue.periodic("* * * * *")
@queue.task("search.count_words", retry=False)
async def count(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Count new and changed documents. The remainder is left to the next run, a minute later."""
    counted = await count_all(context)
    log.info("search.words_counted", documents=counted)


async def count_all(context: AppContext) -> int:
    """Count changes until ``MAX_RUN_SECONDS``; return the number of changed documents."""
    counted, ends = 0, time.monotonic() + MAX_RUN_SECONDS
    while time.monotonic() < ends:
        async with context.transaction() as session:
            changed = await _count_batch(session)
        if not changed:
            break
        counted += changed
    async with context.transaction() as session:
        await session.execute(_DROP_UNUSED)
    return counted


async def _count_batch(session: AsyncSession) -> int:
    # One counter at a time, because two would deadlock on shared words.
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return 0
    taken = (await session.execute(_TAKE_CHANGES, {"batch_size": BATCH})).all()
    present: dict[str, list[UUID]] = defaultdict(list)
    for row in taken:
        if row.is_present:
            present[row.kind].append(row.subject_id)
    for table, source in SOURCES.items():
        if source.kind in present and source.language != "simple":
            await _detect_languages(session, table, source, present[source.kind])
    return len(taken)


async def _detect_languages(session: AsyncSession, table: Any, source: Source, ids: list[UUID]) -> None:
    """Detect the languages of documents; a document in a different language than before is a change to count."""
    statement = select(table.id, joined(source.title).label("title"), joined(source.body).label("body"))
    rows = (await session.execute(statement.where(table.id.in_(ids)))).all()
    texts = [f"{row.title}\n{row.body}"[:DETECTED_CHARACTERS] for row in rows]
    languages = await asyncio.to_thread(lambda: [language_of(text) for text in texts])
    learned = [(row, language) for row, language in zip(rows, languages, strict=True) if language is not None]
    if learned:
        values = {
            "kind": source.kind,
            "ids": [row.id for row, _ in learned],
            "languages": [language for _, language in learned],
            "titles": [row.title for row, _ in learned],
            "bodies": [row.body for row, _ in learned],
        }
        await session.execute(_set_languages(), values)


@cache
def _set_languages() -> TextClause:
    return _SET_LANGUAGES.bindparams(bindparam("ids", type_=ARRAY(Uuid())))


@cache
def _identifier() -> LanguageIdentifier:
    # Loaded lazily: 80 MB that only the worker needs.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str | None:
    """Return the text search configuration of a text; None if it is too short or ambiguous."""
    if sum(map(str.isalpha, text)) < MIN_LETTERS:
        return None
    code, probability = _identifier().classify(text)
    return LANGUAGES.get(str(code), "simple") if probability >= MIN_PROBABILITY else None


async def erase(session: AsyncSession, erasure: Erasure) -> int:
    """Delete the search document of an account; those of the user's content follow its rows."""
    own_document = (SearchDocument.kind == "user") & (SearchDocument.subject_id == erasure.user_id)
    return (await session.execute(delete(SearchDocument).where(own_document))).rowcount  # type: ignore[attr-defined,no-any-return]


async def rebuild(session: AsyncSession) -> None:
    """Add missing documents and recount the vocabulary, in one transaction.

    Required after rows were written with triggers disabled, as by a bulk load.
    """
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    for table, source in SOURCES.items():
        await session.execute(text(_refill(table, source)))
    for statement in _RECOUNT.split(";"):
        await session.execute(text(statement), {"bucket": BUCKET} if ":bucket" in statement else {})


def _refill(table: Any, source: Source) -> str:
    connector = {"user": "NULL::uuid", "connector": "id"}.get(source.kind, "connector_id")
    return _REFILL.format(
        kind=source.kind,
        connector=connector,
        language=source.language,
        bucket=BUCKET,
        title=joined(source.title),
        body=joined(source.body),
        table=table.__tablename__,
    )
