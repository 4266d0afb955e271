"""Request and response schemas of search, and the cursor of its pages."""

from __future__ import annotations

import base64
import binascii
import struct
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from transactional_api.core.errors import InvalidCursorError
from transactional_api.core.pagination import DEFAULT_LIMIT
from transactional_api.core.text import Line, RequestBody

MAX_RESULTS, MAX_OFFSET = 50, 400
MAX_CURSOR = 16
_CURSOR = struct.Struct(">H4s")
_MARK = b"ncs1"


def encode_cursor(offset: int) -> str:
    """Return the opaque cursor of the page that begins at an offset of the ranking."""
    return base64.urlsafe_b64encode(_CURSOR.pack(offset, _MARK)).decode()


def decode_cursor(cursor: str) -> int:
    """Return the offset of a cursor; raises ``InvalidCursorError`` for any other text."""
    try:
        offset, mark = _CURSOR.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        raise InvalidCursorError from None
    if mark != _MARK or not 0 < offset <= MAX_OFFSET:
        raise InvalidCursorError
    return int(offset)


class SearchKind(StrEnum):
    """Kind of a match."""

    USER = "user"
    CONNECTOR = "connector"
    POST = "post"
    EVENT = "event"
    ITEM = "item"


class SearchQuery(RequestBody):
    """Query parameters of a search."""

    q: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(
        description='Search text. Supports `"a phrase"`, `or` and `-excluded`.', examples=["tomato seedlings"]
    )
    kind: list[SearchKind] = Field(
        default_factory=list,
        description="Kinds to search, as a repeated parameter. Default: all kinds.",
        examples=[["post"]],
    )
    connector_id: UUID | None = Field(default=None, description="Restrict the search to this connector.")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_RESULTS)
    cursor: str | None = Field(
        default=None, max_length=MAX_CURSOR, description="`next_cursor` of the previous page.", examples=[None]
    )

    @property
    def offset(self) -> int:
        """Return the offset of the page in the ranking; raises ``InvalidCursorError``."""
        return 0 if self.cursor is None else decode_cursor(self.cursor)


class SearchMatch(BaseModel):
    """A match; get the full resource by its kind and id."""

    kind: SearchKind = Field(examples=["post"])
    id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    title: str = Field(description="Title or name; the username of a user.", examples=["Tomato seedlings"])
    excerpt: str = Field(
        description="Beginning of the text; cut at a word boundary with an ellipsis.",
        examples=["The tomato seedlings are ready."],
    )
    connector_id: UUID | None = Field(
        description="Connector that contains it; null for users.", examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"]
    )
    created_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])


class Facet(BaseModel):
    """Number of matches of a kind."""

    kind: SearchKind = Field(examples=["post"])
    count: int = Field(description="Number of matches, capped at 1,000.", examples=[12])


class SearchOut(BaseModel):
    """A page of matches, best first, with the number of matches of each kind."""

    items: list[SearchMatch]
    facets: list[Facet] = Field(description="Counts of every kind, regardless of the `kind` parameter.")
    semantic: bool = Field(
        description="Whether semantic matches are included; false while the encoder is unavailable.",
        examples=[True],
    )
    next_cursor: str | None = Field(description="Cursor of the next page; null at the end.", examples=["ABRuY3Mx"])
