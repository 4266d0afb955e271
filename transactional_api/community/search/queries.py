"""Statements of lexical and semantic search for each kind, each with its visibility check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Double,
    Integer,
    Select,
    Subquery,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.events import queries as events
from transactional_api.community.marketplace import queries as marketplace
from transactional_api.community.posts import queries as posts
from transactional_api.community.search.schemas import SearchKind
from transactional_api.community.search.terms import CANDIDATES
from transactional_api.core.db.base import Base
from transactional_api.core.db.embeddings import EMBEDDINGS
from transactional_api.core.db.tables import Connector, Event, MarketplaceItem, Post, SearchDocument, User
from transactional_api.core.excerpts import LOOKAHEAD
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users

TITLE_LENGTH, EXCERPT_LENGTH = 80, 200
MIN_SIMILARITY = 0.35
"""Minimum cosine similarity of a semantic match; below it, this encoder relates arbitrary texts."""
MAX_COUNTED = 1_000
"""Maximum number of matches that are counted."""
MAX_COMPARED = 10_000
"""Number of a connector's newest rows of a kind that are compared exactly; older ones match only lexically."""

# Weights of D, C, B and A: words of a title count twice.
_WEIGHTS: ColumnElement[Any] = literal_column("'{0.5, 0.5, 0.5, 1}'::real[]")
# Inverse of the normalization of ts_rank, which divides by pi squared / 6.
_TS_RANK_SCALE: ColumnElement[Any] = literal_column("1.64493406685")
# k1 and b of BM25.
_K1, _B = 1.2, 0.6


@dataclass(frozen=True, slots=True)
class StatementParameters:
    """Parameters of a search statement: the viewer, an optional connector, and the query.

    Attributes:
        terms: number of scored terms.
    """

    viewer: Viewer
    terms: int
    connector_id: ColumnElement[UUID] | None
    embedding: BindParameter[list[float]] | None = None
    encoder: BindParameter[str] | None = None


@dataclass(frozen=True, slots=True)
class SearchSource:
    """How one kind is searched: its table, the displayed columns and the visibility check."""

    table: type[Base]
    title: ColumnElement[Any]
    excerpt: ColumnElement[Any]
    row_id: InstrumentedAttribute[UUID]
    created_at: InstrumentedAttribute[Any]
    connector_id: ColumnElement[Any]
    may_see: Callable[[Viewer], ColumnElement[bool]]

    def visible(self, parameters: StatementParameters, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select columns of the rows that the viewer can see, of one connector if given."""
        statement = select(*columns).select_from(self.table)
        if self.table not in {User, Connector}:
            statement = statement.join(Connector, Connector.id == self.connector_id)
        statement = statement.where(self.may_see(parameters.viewer))
        return (
            statement
            if parameters.connector_id is None
            else statement.where(self.connector_id == parameters.connector_id)
        )


def _users(viewer: Viewer) -> ColumnElement[bool]:
    return User.is_active.is_(True) & users.not_blocked(viewer, User.id)


def _events(viewer: Viewer) -> ColumnElement[bool]:
    return events.may_see(viewer) & events.accepts_rsvps()


def _items(viewer: Viewer) -> ColumnElement[bool]:
    return marketplace.may_see(viewer) & marketplace.seller_is_active()


SEARCH_SOURCES = {
    SearchKind.USER: SearchSource(
        User,
        User.username.expression,
        User.first_name.concat(" ").concat(User.last_name),
        User.id,
        User.created_at,
        cast(null(), Uuid),
        _users,
    ),
    SearchKind.CONNECTOR: SearchSource(
        Connector,
        Connector.name.expression,
        Connector.description.expression,
        Connector.id,
        Connector.created_at,
        Connector.id.expression,
        connectors.may_see,
    ),
    SearchKind.POST: SearchSource(
        Post,
        func.coalesce(Post.title, func.left(Post.content, TITLE_LENGTH + LOOKAHEAD)),
        Post.content.expression,
        Post.id,
        Post.created_at,
        Post.connector_id.expression,
        posts.may_see,
    ),
    SearchKind.EVENT: SearchSource(
        Event,
        Event.title.expression,
        Event.description.expression,
        Event.id,
        Event.created_at,
        Event.connector_id.expression,
        _events,
    ),
    SearchKind.ITEM: SearchSource(
        MarketplaceItem,
        MarketplaceItem.title.expression,
        MarketplaceItem.description.expression,
        MarketplaceItem.id,
        MarketplaceItem.created_at,
        MarketplaceItem.connector_id.expression,
        _items,
    ),
}


def lexical_matches(kind: SearchKind, parameters: StatementParameters, *, limit: int) -> Select[Any]:
    """Select the matches of a search plan, best first, each row with the total number of matches.

    Candidates come from the index of a kind, the newest if there are too many. After scoring, the visibility check runs
    from the best candidate down to ``MAX_COUNTED``.
    """
    source = SEARCH_SOURCES[kind]
    best = _best(kind, parameters)
    visible = source.visible(parameters, source.row_id.label("id"), source.created_at.label("created_at")).where(
        source.row_id == best.c.subject_id
    )
    # The limit prevents a join of whole tables: PostgreSQL fetches the rows one by one in rank order.
    rows = visible.limit(1).lateral()
    counted = (
        select(rows.c.id, best.c.rank)
        .select_from(best.join(rows, true()))
        .order_by(best.c.rank.desc())
        .limit(MAX_COUNTED)
        .subquery()
    )
    matches = func.count().over().label("matches")
    first = select(counted, matches).order_by(counted.c.rank.desc(), counted.c.id).limit(limit).subquery()
    statement = select(
        literal(kind.value).label("kind"),
        source.row_id.label("id"),
        source.title.label("title"),
        func.coalesce(func.left(source.excerpt, EXCERPT_LENGTH + LOOKAHEAD), "").label("excerpt"),
        source.connector_id.label("connector_id"),
        source.created_at.label("created_at"),
        first.c.rank.label("rank"),
        first.c.matches.label("matches"),
    )
    return statement.join_from(first, source.table, source.row_id == first.c.id)


def _best(kind: SearchKind, parameters: StatementParameters) -> Subquery:
    """Return ids of the candidates of a kind with their scores, best first."""
    # A literal, because the partial index has it in its condition.
    statement = select(SearchDocument.subject_id, SearchDocument.words).where(
        SearchDocument.kind == literal_column(f"'{kind.value}'"),
        SearchDocument.words.op("@@")(_parameter("gate", TSQUERY())),
    )
    if parameters.connector_id is None:
        statement = statement.where(SearchDocument.bucket >= bindparam("first_bucket", type_=Integer()))
    else:
        statement = statement.where(SearchDocument.connector_id == parameters.connector_id)
    candidates = statement.order_by(SearchDocument.bucket.desc()).limit(CANDIDATES).subquery()
    score = sum((_score(candidates, position) for position in range(parameters.terms)), start=literal_column("0.0"))
    scored = select(candidates.c.subject_id, score.label("rank")).subquery()
    return select(scored).order_by(scored.c.rank.desc()).subquery()


def _score(candidates: Subquery, position: int) -> ColumnElement[Any]:
    """Return a term's contribution to the BM25 score, with ``ts_rank`` as the term frequency.

    ``ts_rank`` sums 1/n² of the weight of the nth occurrence, so that it is 1 for the first one in a title.
    """
    frequency = func.ts_rank(_WEIGHTS, candidates.c.words, _parameter(f"query_{position}", TSQUERY())) * _TS_RANK_SCALE
    length = func.length(candidates.c.words) / _parameter("mean_lexemes", Double())
    denominator = frequency + _K1 * (1 - _B + _B * length)
    weight: ColumnElement[float] = bindparam(f"weight_{position}", type_=Double())
    return cast(weight, Double()) * frequency * (_K1 + 1) / denominator


def _parameter(name: str, kind: Any) -> ColumnElement[Any]:
    """Return a parameter that is cast once for each statement instead of once for each row."""
    return select(cast(bindparam(name, type_=Text()), kind)).scalar_subquery()


def semantic_matches(kind: SearchKind, parameters: StatementParameters, *, limit: int) -> Select[Any]:
    """Select the rows whose embeddings are most similar to that of the query."""
    similarity = -EMBEDDINGS.c.embedding.max_inner_product(parameters.embedding)
    is_embedding_of = (EMBEDDINGS.c.kind == literal_column(f"'{kind.value}'")) & (
        EMBEDDINGS.c.subject_id == SEARCH_SOURCES[kind].row_id
    )
    candidates = (
        _rows(kind, parameters, rank=similarity)
        .join(EMBEDDINGS, is_embedding_of)
        .where(EMBEDDINGS.c.encoder == parameters.encoder)
    )
    if parameters.connector_id is None:
        candidates = candidates.order_by(EMBEDDINGS.c.embedding.max_inner_product(parameters.embedding))
    else:
        # Exact, because the approximate index would return nothing for small connectors.
        candidates = candidates.where(_newest(kind, parameters.connector_id)).order_by(similarity.desc())
    nearest = candidates.limit(limit).subquery()
    # Filtered after the limit; otherwise the whole index would be scanned for more similar rows.
    return select(nearest).where(nearest.c.rank >= MIN_SIMILARITY)


def _newest(kind: SearchKind, connector_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    source = SEARCH_SOURCES[kind]
    newest = select(source.row_id).where(source.connector_id == connector_id).order_by(source.created_at.desc())
    return source.row_id.in_(newest.limit(MAX_COMPARED))


def _rows(kind: SearchKind, parameters: StatementParameters, *, rank: ColumnElement[Any]) -> Select[Any]:
    source = SEARCH_SOURCES[kind]
    return source.visible(
        parameters,
        literal(kind.value).label("kind"),
        source.row_id.label("id"),
        source.title.label("title"),
        func.coalesce(func.left(source.excerpt, EXCERPT_LENGTH + LOOKAHEAD), "").label("excerpt"),
        source.connector_id.label("connector_id"),
        source.created_at.label("created_at"),
        rank.label("rank"),
    )
