"""Statements of a search for each kind, with its permission in them: by words, and by meaning."""

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

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.base import Base
from transactional_api.db.meanings import MEANINGS
from transactional_api.db.tables import Connector, Event, MarketplaceItem, Post, SearchDocument, User
from transactional_api.events import queries as events
from transactional_api.marketplace import queries as marketplace
from transactional_api.posts import queries as posts
from transactional_api.search.schemas import FoundKind
from transactional_api.search.terms import CANDIDATES
from transactional_api.users import queries as users

EXCERPT = 200
LEAST_LIKENESS = 0.35
"""Cosine from which texts are called alike; below it this encoder finds something in common between any two."""
COUNTED = 1_000
"""Matches up to which they are counted."""
COMPARED = 10_000
"""Of a connector's newest of a kind each is compared by its meaning; of older ones, words and spelling."""

# Of D, C, B and A: a word of a title counts twice.
_WEIGHTS: ColumnElement[Any] = literal_column("'{0.5, 0.5, 0.5, 1}'::real[]")
# ts_rank divides by the sum of the series, pi squared by six.
_FIRST: ColumnElement[Any] = literal_column("1.64493406685")
# BM25's k1 and b.
_SATURATION, _BY_LENGTH = 1.2, 0.6


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a statement: the viewer, a connector or everywhere, and what is asked.

    Attributes:
        terms: number of terms that are scored.
    """

    viewer: Viewer
    terms: int
    connector_id: ColumnElement[UUID] | None
    meaning: BindParameter[list[float]] | None = None
    encoder: BindParameter[str] | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """How one kind is searched: its table, what is shown of a row, and who sees which rows."""

    table: type[Base]
    title: ColumnElement[Any]
    excerpt: ColumnElement[Any]
    row_id: InstrumentedAttribute[UUID]
    created_at: InstrumentedAttribute[Any]
    connector_id: ColumnElement[Any]
    may_see: Callable[[Viewer], ColumnElement[bool]]

    def visible(self, asked: Asked, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select of the rows that the viewer may see, of one connector if that is asked."""
        statement = select(*columns).select_from(self.table)
        if self.table not in {User, Connector}:
            statement = statement.join(Connector, Connector.id == self.connector_id)
        statement = statement.where(self.may_see(asked.viewer))
        return statement if asked.connector_id is None else statement.where(self.connector_id == asked.connector_id)


def _people(viewer: Viewer) -> ColumnElement[bool]:
    return User.is_active.is_(True) & users.not_blocked(viewer, User.id)


def _events(viewer: Viewer) -> ColumnElement[bool]:
    return events.may_see(viewer) & Event.is_active.is_(True)


SEARCHED = {
    FoundKind.USER: Searched(
        User,
        User.username.expression,
        User.first_name.concat(" ").concat(User.last_name),
        User.id,
        User.created_at,
        cast(null(), Uuid),
        _people,
    ),
    FoundKind.CONNECTOR: Searched(
        Connector,
        Connector.name.expression,
        Connector.description.expression,
        Connector.id,
        Connector.created_at,
        Connector.id.expression,
        connectors.may_see,
    ),
    FoundKind.POST: Searched(
        Post,
        func.coalesce(Post.title, func.left(Post.content, 80)),
        Post.content.expression,
        Post.id,
        Post.created_at,
        Post.connector_id.expression,
        posts.may_see,
    ),
    FoundKind.EVENT: Searched(
        Event,
        Event.title.expression,
        Event.description.expression,
        Event.id,
        Event.created_at,
        Event.connector_id.expression,
        _events,
    ),
    FoundKind.ITEM: Searched(
        MarketplaceItem,
        MarketplaceItem.title.expression,
        MarketplaceItem.description.expression,
        MarketplaceItem.id,
        MarketplaceItem.created_at,
        MarketplaceItem.connector_id.expression,
        marketplace.may_see,
    ),
}


def by_words(kind: FoundKind, asked: Asked, *, limit: int) -> Select[Any]:
    """Return what matches the plan of a search, the best first, each row with the number of all matches.

    Candidates come from the index of a kind, the newest where there are too many. They are scored, and only then it is
    asked which the viewer may see, from the best down to ``COUNTED``.
    """
    searched = SEARCHED[kind]
    best = _best(kind, asked)
    visible = searched.visible(asked, searched.row_id.label("id"), searched.created_at.label("created_at")).where(
        searched.row_id == best.c.subject_id
    )
    # A limit keeps PostgreSQL from joining whole tables: it looks the rows up, in the order of their rank.
    rows = visible.limit(1).lateral()
    counted = (
        select(rows.c.id, best.c.rank)
        .select_from(best.join(rows, true()))
        .order_by(best.c.rank.desc())
        .limit(COUNTED)
        .subquery()
    )
    matches = func.count().over().label("matches")
    first = select(counted, matches).order_by(counted.c.rank.desc(), counted.c.id).limit(limit).subquery()
    statement = select(
        literal(kind.value).label("kind"),
        searched.row_id.label("id"),
        searched.title.label("title"),
        func.coalesce(func.left(searched.excerpt, EXCERPT), "").label("excerpt"),
        searched.connector_id.label("connector_id"),
        searched.created_at.label("created_at"),
        first.c.rank.label("rank"),
        first.c.matches.label("matches"),
    )
    return statement.join_from(first, searched.table, searched.row_id == first.c.id)


def _best(kind: FoundKind, asked: Asked) -> Subquery:
    """Return ids of the candidates of a kind with their scores, the best first."""
    # The kind as PostgreSQL sees it in the condition of the partial index.
    statement = select(SearchDocument.subject_id, SearchDocument.words).where(
        SearchDocument.kind == literal_column(f"'{kind.value}'"),
        SearchDocument.words.op("@@")(_once("gate", TSQUERY())),
    )
    if asked.connector_id is None:
        statement = statement.where(SearchDocument.bucket >= bindparam("first_bucket", type_=Integer()))
    else:
        statement = statement.where(SearchDocument.connector_id == asked.connector_id)
    candidates = statement.order_by(SearchDocument.bucket.desc()).limit(CANDIDATES).subquery()
    score = sum((_score(candidates, place) for place in range(asked.terms)), start=literal_column("0.0"))
    scored = select(candidates.c.subject_id, score.label("rank")).subquery()
    return select(scored).order_by(scored.c.rank.desc()).subquery()


def _score(candidates: Subquery, place: int) -> ColumnElement[Any]:
    """Return what a term adds to the score: BM25, with ``ts_rank`` as the frequency of the term.

    ``ts_rank`` sums up 1/n² of the weight of the nth occurrence, so that it is 1 for the first one in a title.
    """
    frequency = func.ts_rank(_WEIGHTS, candidates.c.words, _once(f"query_{place}", TSQUERY())) * _FIRST
    length = func.length(candidates.c.words) / _once("mean_lexemes", Double())
    damped = frequency + _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length)
    weight: ColumnElement[float] = bindparam(f"weight_{place}", type_=Double())
    return cast(weight, Double()) * frequency * (_SATURATION + 1) / damped


def _once(name: str, kind: Any) -> ColumnElement[Any]:
    """Return a parameter that is converted once for a statement, not for every row."""
    return select(cast(bindparam(name, type_=Text()), kind)).scalar_subquery()


def by_meaning(kind: FoundKind, asked: Asked, *, limit: int) -> Select[Any]:
    """Return what means much the same as what is asked, whatever its words."""
    likeness = -MEANINGS.c.embedding.max_inner_product(asked.meaning)
    same = (MEANINGS.c.kind == literal_column(f"'{kind.value}'")) & (MEANINGS.c.subject_id == SEARCHED[kind].row_id)
    alike = _rows(kind, asked, rank=likeness).join(MEANINGS, same).where(MEANINGS.c.encoder == asked.encoder)
    if asked.connector_id is None:
        alike = alike.order_by(MEANINGS.c.embedding.max_inner_product(asked.meaning))
    else:
        # Not in the index's order: it gives up before it comes to a small connector's, where more is nearer elsewhere.
        alike = alike.where(_newest(kind, asked.connector_id)).order_by(likeness.desc())
    nearest = alike.limit(limit).subquery()
    # Among the nearest only: the index would be read to its end for more that are alike enough.
    return select(nearest).where(nearest.c.rank >= LEAST_LIKENESS)


def _newest(kind: FoundKind, connector_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    searched = SEARCHED[kind]
    newest = select(searched.row_id).where(searched.connector_id == connector_id).order_by(searched.created_at.desc())
    return searched.row_id.in_(newest.limit(COMPARED))


def _rows(kind: FoundKind, asked: Asked, *, rank: ColumnElement[Any]) -> Select[Any]:
    searched = SEARCHED[kind]
    return searched.visible(
        asked,
        literal(kind.value).label("kind"),
        searched.row_id.label("id"),
        searched.title.label("title"),
        func.coalesce(func.left(searched.excerpt, EXCERPT), "").label("excerpt"),
        searched.connector_id.label("connector_id"),
        searched.created_at.label("created_at"),
        rank.label("rank"),
    )
