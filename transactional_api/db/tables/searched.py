"""The words that search looks through, as indexed expressions: what asks with another expression scans the table.

Words are stemmed as English; names and other languages are still found by how they are spelt.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Function, Index, func, text
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.db.base import Base
from transactional_api.db.tables.connectors import Connector
from transactional_api.db.tables.events import Event
from transactional_api.db.tables.marketplace import MarketplaceItem
from transactional_api.db.tables.posts import Post
from transactional_api.db.tables.users import User

# Not literal columns: an index takes the first column that it meets for one of its table.
LANGUAGE = text("'english'::regconfig")
_BLANK, _NOTHING = text("' '"), text("''")


def _text(*attributes: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    # The table's own columns: an index does not find its table through mapped attributes.
    first, *rest = [attribute.property.columns[0] for attribute in attributes]
    joined: ColumnElement[str] = func.coalesce(first, _NOTHING)
    for column in rest:
        joined = joined.concat(_BLANK).concat(func.coalesce(column, _NOTHING))
    return joined


TEXTS: dict[type[Base], ColumnElement[str]] = {
    User: _text(User.username, User.first_name, User.last_name),
    Connector: _text(Connector.name, Connector.category, Connector.description),
    Post: _text(Post.title, Post.content),
    Event: _text(Event.title, Event.description, Event.location),
    MarketplaceItem: _text(MarketplaceItem.title, MarketplaceItem.description),
}
"""All that is searched of a row, as one text."""


def words_of(table: type[Base]) -> Function[Any]:
    """Return the stemmed words of a row's text."""
    return func.to_tsvector(LANGUAGE, TEXTS[table])


for _table, _searched in TEXTS.items():
    Index(f"ix_{_table.__tablename__}_search_words", words_of(_table), postgresql_using="gin")
    Index(
        f"ix_{_table.__tablename__}_search_spelling",
        _searched.label("spelling"),
        postgresql_using="gin",
        postgresql_ops={"spelling": "gin_trgm_ops"},
    )
