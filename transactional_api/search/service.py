"""One search over everything: by words and by meaning, the rankings merged by reciprocal rank.

Reciprocal rank fusion is from Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods", SIGIR 2009, with their constant of 60.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Select, Text, bindparam, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.meanings import KINDS, MEANINGS
from transactional_api.prepared import SOMEONE, parameter
from transactional_api.search import queries, terms
from transactional_api.search.meanings import AskedWords
from transactional_api.search.queries import Asked
from transactional_api.search.schemas import MAX_OFFSET, Facet, Found, FoundKind, SearchOut, SearchQuery
from transactional_api.search.syntax import parse
from transactional_api.search.terms import MAX_SCORED, Scored

DEPTH = 200
"""How many of each kind a ranking goes down; further ones cannot be paged to."""
MEANT = 50
"""How many of each kind are looked for by meaning."""
SIZES = (4, 8, MAX_SCORED)
"""Numbers of terms that statements are prepared for; those that a search does not need match nothing."""
_RRF = 60
# What the viewer may not see is among the nearest, too: the index goes on until there are enough.
_GO_ON = text("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")


async def search(
    session: AsyncSession, *, viewer: Viewer, asked_words: AskedWords, search_for: SearchQuery
) -> SearchOut:
    """Find what the viewer may see and what matches, the best first.

    Ties in rank go to the newer. The facets count every kind, so that a client can show what else there is.
    """
    meaning = await asked_words.meaning(session, search_for.q)
    kinds = tuple(dict.fromkeys(search_for.kind or FoundKind))
    everywhere = search_for.connector_id is None
    named: dict[str, Any] = {"viewer_id": viewer.id, "connector_id": search_for.connector_id}
    by_words = await _by_words(session, search_for, kinds=kinds, named=named)
    rankings = [[row for row in by_words if row.kind in kinds]]
    by_meaning = _by_meaning(kinds, everywhere=everywhere)
    if meaning is not None and by_meaning is not None:
        await session.execute(_GO_ON)
        asked = named | {"meaning": meaning.embedding, "encoder": meaning.encoder}
        rankings.append(list(await session.execute(by_meaning, asked)))
    merged = _merge(rankings)
    end = search_for.offset + search_for.limit
    return SearchOut(
        items=[Found.model_validate(row, from_attributes=True) for row in merged[search_for.offset : end]],
        facets=_facets(by_words, merged),
        by_meaning=meaning is not None,
        next_offset=end if len(merged) > end and end <= MAX_OFFSET else None,
    )


async def _by_words(
    session: AsyncSession, search_for: SearchQuery, *, kinds: tuple[FoundKind, ...], named: dict[str, Any]
) -> list[Any]:
    """Return the ranking by words; of kinds that were not asked for one row, for their number is in it."""
    plan = await terms.plan(session, parse(search_for.q))
    if not plan.gate:
        return []
    size = next(size for size in SIZES if size >= len(plan.scored))
    padded = [*plan.scored, *[Scored("", 0.0)] * (size - len(plan.scored))]
    asked = named | {"gate": plan.gate, "mean_lexemes": str(plan.mean_lexemes), "first_bucket": plan.first_bucket}
    for place, term in enumerate(padded):
        asked |= {f"query_{place}": term.query, f"weight_{place}": term.weight}
    statement = _words_statement(kinds, size, everywhere=search_for.connector_id is None)
    return list(await session.execute(statement, asked))


# Some dozen selects over every kind take longer to put together than PostgreSQL takes to run them.
@lru_cache(maxsize=128)
def _words_statement(kinds: tuple[FoundKind, ...], size: int, *, everywhere: bool) -> Executable:
    asked = _asked(everywhere=everywhere, size=size)
    return _ranking([queries.by_words(kind, asked, limit=DEPTH if kind in kinds else 1) for kind in FoundKind])


@lru_cache(maxsize=128)
def _by_meaning(kinds: tuple[FoundKind, ...], *, everywhere: bool) -> Executable | None:
    asked = _asked(everywhere=everywhere)
    meant = [queries.by_meaning(kind, asked, limit=MEANT) for kind in kinds if kind.value in KINDS]
    return _ranking(meant) if meant else None


def _asked(*, everywhere: bool, size: int = 0) -> Asked:
    return Asked(
        SOMEONE,
        size,
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


def _facets(by_words: Sequence[Any], merged: Sequence[Any]) -> list[Facet]:
    """Count the matches of every kind: by words up to a limit, and at least those that were ranked."""
    counted = {row.kind: row.matches for row in by_words}
    ranked = Counter(row.kind for row in merged)
    return [Facet(kind=kind, count=max(counted.get(kind, 0), ranked[kind])) for kind in FoundKind]
