"""Case-insensitive text matching with the case folding of search, independent of the database locale."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute


def contains(column: InstrumentedAttribute[Any], text: str) -> ColumnElement[bool]:
    """Return whether a column contains ``text`` literally: no character is a wildcard."""
    return func.strpos(func.search_fold(column), func.search_fold(text)) > 0
