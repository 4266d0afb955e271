"""Search over all kinds: lexical and semantic rankings, merged by reciprocal rank fusion.

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

from transactional_api.community.search import queries, terms
from transactional_api.community.search.embeddings import QueryEmbedder
from transactional_api.community.search.queries import StatementParameters
from transactional_api.community.search.schemas import (
    MAX_OFFSET,
    Facet,
    SearchKind,
    SearchMatch,
    SearchOut,
    SearchQuery,
    encode_cursor,
)
from transactional_api.community.search.syntax import parse
from transactional_api.community.search.terms import MAX_SCORED, Scored
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, uuid_param
from transactional_api.core.db.embeddings import EMBEDDINGS, KINDS
from transactional_api.core.excerpts import excerpt
from transactional_api.core.viewer import Viewer

DEPTH = 200
"""Rows of each kind in a ranking; further matches cannot be paged to."""
MAX_SEMANTIC_MATCHES = 50
"""Semantic matches of each kind."""
SIZES = (4, 8, MAX_SCORED)
"""Numbers of terms for which statements are prepared; unused terms match nothing."""
_RRF_CONSTANT = 60
# Invisible rows are among the nearest, too: the index scan continues until enough rows pass the filter.
_ITERATIVE_SCAN = text("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")


async def search(
    session: AsyncSession, *, viewer: Viewer, query_embedder: QueryEmbedder, query: SearchQuery
) -> SearchOut:
    """Return a page of the matches that the viewer can see, best first.

    Of equal ranks, the newer row is first. Facets count every kind, so that a client can show what else matches.

    Raises:
        InvalidCursorError: the cursor is not one of a search.
    """
    offset = query.offset
    embedding = await query_embedder.embed(session, query.q)
    kinds = tuple(dict.fromkeys(query.kind or SearchKind))
    everywhere = query.connector_id is None
    parameters: dict[str, Any] = {"viewer_id": viewer.id, "connector_id": query.connector_id}
    lexical = await _lexical_ranking(session, query, kinds=kinds, parameters=parameters)
    rankings = [[row for row in lexical if row.kind in kinds]]
    semantic_statement = _semantic_statement(kinds, everywhere=everywhere)
    if embedding is not None and semantic_statement is not None:
        await session.execute(_ITERATIVE_SCAN)
        values = parameters | {"embedding": embedding.vector, "encoder": embedding.encoder}
        rankings.append(list(await session.execute(semantic_statement, values)))
    merged = _merge(rankings)
    end = offset + query.limit
    return SearchOut(
        items=[_match(row) for row in merged[offset:end]],
        facets=_facets(lexical, merged),
        semantic=embedding is not None,
        next_cursor=encode_cursor(end) if len(merged) > end and end <= MAX_OFFSET else None,
    )


def _match(row: Any) -> SearchMatch:
    match = SearchMatch.model_validate(row, from_attributes=True)
    # The title of a post without one is the beginning of its content.
    title_is_excerpt = match.kind is SearchKind.POST and match.excerpt.startswith(match.title)
    title = excerpt(match.title, queries.TITLE_LENGTH) if title_is_excerpt else match.title
    return match.model_copy(update={"title": title, "excerpt": excerpt(match.excerpt, queries.EXCERPT_LENGTH)})


async def _lexical_ranking(
    session: AsyncSession, query: SearchQuery, *, kinds: tuple[SearchKind, ...], parameters: dict[str, Any]
) -> list[Any]:
    """Return the lexical ranking; of kinds that were not requested, one row with the number of matches."""
    plan = await terms.plan(session, parse(query.q))
    if not plan.gate:
        return []
    size = next(size for size in SIZES if size >= len(plan.scored))
    padded = [*plan.scored, *[Scored("", 0.0)] * (size - len(plan.scored))]
    values = parameters | {"gate": plan.gate, "mean_lexemes": str(plan.mean_lexemes), "first_bucket": plan.first_bucket}
    for position, term in enumerate(padded):
        values |= {f"query_{position}": term.query, f"weight_{position}": term.weight}
    statement = _lexical_statement(kinds, size, everywhere=query.connector_id is None)
    return list(await session.execute(statement, values))


# Cached, because building a dozen selects takes longer than running them.
@lru_cache(maxsize=128)
def _lexical_statement(kinds: tuple[SearchKind, ...], size: int, *, everywhere: bool) -> Executable:
    parameters = _parameters(everywhere=everywhere, size=size)
    return _ranking(
        [queries.lexical_matches(kind, parameters, limit=DEPTH if kind in kinds else 1) for kind in SearchKind]
    )


@lru_cache(maxsize=128)
def _semantic_statement(kinds: tuple[SearchKind, ...], *, everywhere: bool) -> Executable | None:
    parameters = _parameters(everywhere=everywhere)
    statements = [
        queries.semantic_matches(kind, parameters, limit=MAX_SEMANTIC_MATCHES) for kind in kinds if kind.value in KINDS
    ]
    return _ranking(statements) if statements else None


def _parameters(*, everywhere: bool, size: int = 0) -> StatementParameters:
    return StatementParameters(
        VIEWER_PLACEHOLDER,
        size,
        None if everywhere else uuid_param("connector_id"),
        bindparam("embedding", type_=EMBEDDINGS.c.embedding.type),
        bindparam("encoder", type_=Text()),
    )


def _ranking(statements: Sequence[Select[Any]]) -> Select[Any]:
    """Merge the rows of all kinds to one list, best first."""
    parts = union_all(*(select(statement.subquery()) for statement in statements)).subquery()
    return select(parts).order_by(parts.c.rank.desc(), parts.c.created_at.desc(), parts.c.id)


def _merge(rankings: Sequence[Sequence[Any]]) -> list[Any]:
    scores: dict[UUID, float] = defaultdict(float)
    rows: dict[UUID, Any] = {}
    for ranking in rankings:
        for position, row in enumerate(ranking, start=1):
            scores[row.id] += 1 / (_RRF_CONSTANT + position)
            rows[row.id] = row
    return sorted(rows.values(), key=lambda row: (-scores[row.id], -row.created_at.timestamp(), row.id))


def _facets(lexical: Sequence[Any], merged: Sequence[Any]) -> list[Facet]:
    """Count the matches of every kind: lexical ones up to a limit, and at least the ranked ones."""
    counted = {row.kind: row.matches for row in lexical}
    ranked = Counter(row.kind for row in merged)
    return [Facet(kind=kind, count=max(counted.get(kind, 0), ranked[kind])) for kind in SearchKind]
