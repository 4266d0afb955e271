"""Search documents, their vocabulary, and the source texts.

Triggers on the searched tables write the documents (migration 0028); ``search_changes`` is the change log from which
``transactional_api.community.search.vocabulary`` updates the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Identity,
    Index,
    SmallInteger,
    String,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from transactional_api.core.db.base import Base
from transactional_api.core.db.tables.connectors import Connector
from transactional_api.core.db.tables.events import Event
from transactional_api.core.db.tables.marketplace import MarketplaceItem
from transactional_api.core.db.tables.posts import Post
from transactional_api.core.db.tables.users import User

BUCKET = 1_024
"""Documents per bucket: ``bucket`` increases with time, so that the newest matches of a frequent word are a range."""


class SearchDocument(Base):
    """Lexemes of an active row: stems of its language with positions, and unstemmed words without positions.

    The language names a text search configuration, ``search_<language>``. The column is text because ``pg_upgrade``
    rejects columns of type ``regconfig``.
    """

    __tablename__ = "search_documents"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    connector_id: Mapped[UUID | None]
    language: Mapped[str] = mapped_column(String(20))
    bucket: Mapped[int]
    words: Mapped[Any] = mapped_column(TSVECTOR)


class SearchWord(Base):
    """A word or stem of the vocabulary, and its document frequency."""

    __tablename__ = "search_words"

    word: Mapped[str] = mapped_column(primary_key=True)
    documents: Mapped[int]

    __table_args__ = (
        Index("ix_search_words_spelling", "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),
        Index("ix_search_words_unused", "word", postgresql_where=text("documents = 0")),
    )


class SearchLanguage(Base):
    """Number of documents and of lexemes per language."""

    __tablename__ = "search_languages"

    language: Mapped[str] = mapped_column(String(20), primary_key=True)
    documents: Mapped[int] = mapped_column(BigInteger)
    lexemes: Mapped[int] = mapped_column(BigInteger)


class SearchChange(Base):
    """An added (1) or removed (-1) document that is not counted yet."""

    __tablename__ = "search_changes"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[UUID]
    language: Mapped[str] = mapped_column(String(20))
    change: Mapped[int] = mapped_column(SmallInteger)
    words: Mapped[list[str]] = mapped_column(ARRAY(Text))


@dataclass(frozen=True, slots=True)
class Source:
    """A searched table and the columns of its documents."""

    kind: str
    title: tuple[InstrumentedAttribute[Any], ...]
    body: tuple[InstrumentedAttribute[Any], ...] = ()
    language: str = "english"
    """Default until the language of the text is detected."""


SOURCES: dict[type[Base], Source] = {
    User: Source("user", (User.username, User.first_name, User.last_name), language="simple"),
    Connector: Source("connector", (Connector.name,), (Connector.category, Connector.description)),
    Post: Source("post", (Post.title,), (Post.content,)),
    Event: Source("event", (Event.title,), (Event.description, Event.location)),
    MarketplaceItem: Source("item", (MarketplaceItem.title,), (MarketplaceItem.description,)),
}
_BLANK, _NOTHING = text("' '"), text("''")


def joined(attributes: tuple[InstrumentedAttribute[Any], ...]) -> ColumnElement[str]:
    """Return columns concatenated to one text, without null columns."""
    if not attributes:
        return literal_column("''", Text())
    first, *rest = [func.coalesce(attribute.property.columns[0], _NOTHING) for attribute in attributes]
    whole: ColumnElement[str] = first
    for column in rest:
        whole = whole.concat(_BLANK).concat(column)
    return whole


TEXTS: dict[type[Base], ColumnElement[str]] = {
    table: joined((*source.title, *source.body)) for table, source in SOURCES.items()
}
"""Searched text of a row, by table."""
