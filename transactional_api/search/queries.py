"""What matches a search, of each kind: only what the viewer may see, by indexed words and by indexed spelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    Uuid,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.db.base import Base
from transactional_api.db.meanings import MEANINGS
from transactional_api.db.tables import TEXTS, Connector, Event, MarketplaceItem, Post, User
from transactional_api.db.tables.searched import LANGUAGE, words_of
from transactional_api.events import queries as events
from transactional_api.marketplace import queries as marketplace
from transactional_api.posts import queries as posts
from transactional_api.search.schemas import FoundKind
from transactional_api.users import queries as users

EXCERPT = 200
LEAST_LIKENESS = 0.35
"""Cosine from which texts are called alike; below it this encoder finds something in common between any two."""
COMPARED = 10_000
"""Of a connector's newest of a kind each is compared by its meaning; of older ones, words and spelling."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who searches for what, in one connector or everywhere."""

    viewer: Viewer
    words: ColumnElement[str]
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
    """Return what has all the asked words in any form, those first that have them often and close together."""
    words, query = words_of(SEARCHED[kind].table), _query(asked)
    statement = _rows(kind, asked, rank=func.ts_rank_cd(words, query, 1)).where(words.op("@@")(query))
    return statement.order_by(text("rank DESC"), SEARCHED[kind].row_id).limit(limit)


def by_spelling(kind: FoundKind, asked: Asked, *, limit: int) -> Select[Any]:
    """Return what has something in it that is spelt much like what is asked."""
    spelt = TEXTS[SEARCHED[kind].table]
    statement = _rows(kind, asked, rank=func.word_similarity(asked.words, spelt)).where(_alike(asked, spelt))
    return statement.order_by(text("rank DESC"), SEARCHED[kind].row_id).limit(limit)


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


def some(kind: FoundKind, asked: Asked, *, limit: int) -> Select[Any]:
    """Return a row of 1 for each match, at most ``limit``."""
    table = SEARCHED[kind].table
    matches = or_(words_of(table).op("@@")(_query(asked)), _alike(asked, TEXTS[table]))
    return SEARCHED[kind].visible(asked, literal(1)).where(matches).limit(limit)


def _query(asked: Asked) -> ColumnElement[Any]:
    return func.websearch_to_tsquery(LANGUAGE, asked.words)


def _alike(asked: Asked, spelt: ColumnElement[str]) -> ColumnElement[bool]:
    return asked.words.op("<%", precedence=20, is_comparison=True)(spelt)


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
