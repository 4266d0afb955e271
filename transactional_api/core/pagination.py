"""Keyset pagination: a page starts after the last row of the previous one, regardless of new rows."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.errors import InvalidCursorError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_CURSOR = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">q16s4s")
_MARK = b"ncp1"
_LATEST = 253_402_300_799 * 1_000_000


Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """Part of a list; ``next_cursor`` asks for the part after it and is null at the end."""

    items: list[Item]
    next_cursor: str | None = Field(examples=["AAY0ZcDdYAD2HZQeZB1F4pNQ6MdqOlhTbmNwMQ=="])


@dataclass(frozen=True, slots=True)
class Cursor:
    """Position after the row with this time and id."""

    at: datetime
    id: UUID

    @classmethod
    def first(cls) -> Cursor:
        """Return the position before the first row."""
        return cls(_EPOCH, UUID(int=0))

    def encode(self) -> str:
        """Return the opaque text of the cursor."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(_LAYOUT.pack(micros, self.id.bytes, _MARK)).decode()

    @classmethod
    def decode(cls, encoded: str) -> Cursor:
        """Parse the result of ``encode``; raises ``InvalidCursorError`` on any other text."""
        try:
            micros, row_id, mark = _LAYOUT.unpack(base64.b64decode(encoded, altchars=b"-_", validate=True))
        except (binascii.Error, struct.error, ValueError):
            raise InvalidCursorError from None
        if mark != _MARK or not 0 <= micros <= _LATEST:
            raise InvalidCursorError
        return cls(at=_EPOCH + timedelta(microseconds=micros), id=UUID(bytes=row_id))


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Requested part of a list."""

    limit: int
    cursor: Cursor | None

    def select(
        self,
        statement: Select[Any],
        *,
        at: InstrumentedAttribute[datetime],
        row_id: InstrumentedAttribute[UUID],
        newest_first: bool = True,
    ) -> Select[Any]:
        """Limit ``statement`` to the requested page, with one extra row that shows whether there is a next page."""
        if self.cursor is not None:
            position = tuple_(literal(self.cursor.at), literal(self.cursor.id))
            row_position = tuple_(at, row_id)
            statement = statement.where(row_position < position if newest_first else row_position > position)
        order = (at.desc(), row_id.desc()) if newest_first else (at.asc(), row_id.asc())
        return statement.order_by(*order).limit(self.limit + 1)

    def of(self, rows: Sequence[Any], show: Callable[[Any], Item], *, at: str = "created_at") -> Page[Item]:
        """Return the page of the rows of ``select``; ``show`` converts a row, ``at`` names its time column."""
        return Page(items=[show(row) for row in rows[: self.limit]], next_cursor=self.next_cursor(rows, at=at))

    def next_cursor(self, rows: Sequence[Any], *, at: str = "created_at") -> str | None:
        """Return the cursor after the last row that is shown, or None if ``rows`` has no further row."""
        if len(rows) <= self.limit:
            return None
        last = rows[self.limit - 1]
        return Cursor(at=getattr(last, at), id=last.id).encode()


async def page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before.")] = None,
) -> PageRequest:
    """Return the requested part of a list; raises ``InvalidCursorError``."""
    return PageRequest(limit=limit, cursor=Cursor.decode(cursor) if cursor is not None else None)


IdsQuery = Annotated[
    list[UUID] | None,
    Query(max_length=MAX_LIMIT, description="As a repeated parameter; unknown and hidden ones are omitted."),
]
"""Ids of a batch, as a filter of a list."""
PageDep = Annotated[PageRequest, Depends(page_request)]
