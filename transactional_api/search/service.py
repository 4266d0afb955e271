"""One search over everything: by words, by spelling and by meaning, the rankings merged by reciprocal rank.

Reciprocal rank fusion is from Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods", SIGIR 2009, with their constant of 60.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Executable,
    Select,
    Text,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.meanings import KINDS, MEANINGS
from transactional_api.prepared import SOMEONE, parameter
from transactional_api.search import queries
from transactional_api.search.meanings import AskedWords
from transactional_api.search.queries import Asked
from transactional_api.search.schemas import MAX_OFFSET, Facet, Found, FoundKind, SearchOut, SearchQuery

DEPTH = 200
"""How many of each kind a ranking goes down; further ones cannot be paged to."""
MEANT = 50
"""How many of each kind are looked for by meaning."""
COUNTED = 1_000
_RRF = 60
# Of 1; PostgreSQL's own threshold, .6, misses "tomatos" for "tomatoes".
_LIKENESS = text("SELECT set_config('pg_trgm.word_similarity_threshold', '0.45', true)")
# What the viewer may not see is among the nearest, too: the index goes on until there are enough.
_GO_ON = text("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")


async def search(
    session: AsyncSession, *, viewer: Viewer, asked_words: AskedWords, search_for: SearchQuery
) -> SearchOut:
    """Find what the viewer may see and what matches, the best first.

    Ties in rank go to the newer. The facets count every kind, so that a client can show what else there is.
    """
    meaning = await asked_words.meaning(session, search_for.q)
    await session.execute(_LIKENESS)
    kinds = tuple(dict.fromkeys(search_for.kind or FoundKind))
    statements = _prepared(kinds, everywhere=search_for.connector_id is None)
    named: dict[str, Any] = {"viewer_id": viewer.id, "words": search_for.q, "connector_id": search_for.connector_id}
    rankings = [list(await session.execute(ranking, named)) for ranking in statements.rankings]
    if meaning is not None and statements.by_meaning is not None:
        await session.execute(_GO_ON)
        asked = named | {"meaning": meaning.embedding, "encoder": meaning.encoder}
        rankings.append(list(await session.execute(statements.by_meaning, asked)))
    merged = _merge(rankings)
    end = search_for.offset + search_for.limit
    return SearchOut(
        items=[Found.model_validate(row, from_attributes=True) for row in merged[search_for.offset : end]],
        facets=await _facets(session, named, rankings=rankings, kinds=kinds),
        by_meaning=meaning is not None,
        next_offset=end if len(merged) > end and end <= MAX_OFFSET else None,
    )


class _Statements(NamedTuple):
    rankings: tuple[Executable, ...]
    by_meaning: Executable | None


# Some dozen selects over every kind take longer to put together than PostgreSQL takes to run them.
@lru_cache(maxsize=128)
def _prepared(kinds: tuple[FoundKind, ...], *, everywhere: bool) -> _Statements:
    asked = _asked(everywhere=everywhere)
    meant = [queries.by_meaning(kind, asked, limit=MEANT) for kind in kinds if kind.value in KINDS]
    return _Statements(
        rankings=tuple(
            _ranking([ranked(kind, asked, limit=DEPTH) for kind in kinds])
            for ranked in (queries.by_words, queries.by_spelling)
        ),
        by_meaning=_ranking(meant) if meant else None,
    )


def _asked(*, everywhere: bool) -> Asked:
    words: ColumnElement[str] = bindparam("words", type_=Text())
    return Asked(
        SOMEONE,
        words,
        None if everywhere else parameter("connector_id"),
        bindparam("meaning", type_=MEANINGS.c.embedding.type),
        bindparam("encoder", type_=Text()),
    )


def _ranking(statements: Sequence[Select[Any]]) -> Select[Any]:
    """Return the rows of all kinds as one list, the best first."""
    parts = union_all(*(select(statement.subquery()) for statement in statements)).subquery()
    return select(parts).order_by(parts.c.rank.desc(), parts.c.created_at.desc(), parts.c.id)


def _merge(rankings: Sequence[Sequence[Any]]) -> list[Any]:
    scores: dict[UUID, float] = defaultdict(float)
    rows: dict[UUID, Any] = {}
    for ranking in rankings:
        for place, row in enumerate(ranking, start=1):
            scores[row.id] += 1 / (_RRF + place)
            rows[row.id] = row
    return sorted(rows.values(), key=lambda row: (-scores[row.id], -row.created_at.timestamp(), row.id))


async def _facets(
    session: AsyncSession, named: Mapping[str, Any], *, rankings: Sequence[Sequence[Any]], kinds: Sequence[FoundKind]
) -> list[Facet]:
    """Count what matches of every kind; of those that were asked for what was found is all, unless it is very much."""
    found: dict[str, set[UUID]] = defaultdict(set)
    for ranking in rankings:
        for row in ranking:
            found[row.kind].add(row.id)
    unknown = tuple(kind for kind in FoundKind if kind not in kinds or len(found[kind]) >= DEPTH)
    counted: dict[str, int] = {}
    if unknown:
        statement = _counts(unknown, everywhere=named["connector_id"] is None)
        counted = {row.kind: row.matches for row in await session.execute(statement, named)}
    return [Facet(kind=kind, count=max(len(found[kind]), counted.get(kind, 0))) for kind in FoundKind]


@lru_cache(maxsize=128)
def _counts(kinds: tuple[FoundKind, ...], *, everywhere: bool) -> CompoundSelect[Any]:
    asked = _asked(everywhere=everywhere)
    counts = [
        select(literal(kind.value).label("kind"), func.count().label("matches")).select_from(
            queries.some(kind, asked, limit=COUNTED).subquery()
        )
        for kind in kinds
    ]
    return union_all(*counts)
