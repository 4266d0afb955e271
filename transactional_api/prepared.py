"""Statements of the hot reads, built once: SQLAlchemy then neither assembles nor fingerprints them for each request.

The queries of every slice take a viewer; ``SOMEONE`` is one whose id is a parameter, so that a hot read has the same
permission in it as every other. Measured by ``python -m benchmarks reads``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Select, Uuid, bindparam, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.db.plain import Asked, Ready, in_one_trip
from transactional_api.errors import NotFoundError
from transactional_api.paging import PageRequest


def parameter(name: str) -> Any:
    """Return an id that is said when the statement is run."""
    return bindparam(name, type_=Uuid())


IDS = bindparam("ids", type_=ARRAY(Uuid()))
"""Ids that are said when the statement is run: one parameter however many, so that the statement stays the same."""
MOST = bindparam("most", type_=Integer())
"""How many rows there may be."""

SOMEONE = Viewer(
    id=parameter("viewer_id"),
    neighborhood=None,
    city=None,
    role="member",
    session_id=parameter("session_id"),
    personalised=False,
    analysed=False,
    scopes=[],
    verified=False,
)
"""Whoever ``viewer_id`` is; for statements that ask for nothing of a viewer but their ids."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is paged by a time and an id, ready for its first page and for those after a cursor."""

    first: Ready
    further: Ready = field(repr=False)

    @classmethod
    def of(
        cls, statement: Select[Any], *, at: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[UUID]
    ) -> Listing:
        """Prepare the pages of ``statement``, the newest first."""
        order = statement.order_by(at.desc(), row_id.desc()).limit(bindparam("page_rows", type_=Integer()))
        place = tuple_(bindparam("cursor_at", type_=DateTime(timezone=True)), bindparam("cursor_id", type_=Uuid()))
        return cls(Ready(order), Ready(order.where(tuple_(at, row_id) < place)))

    async def rows(self, session: AsyncSession, *, page: PageRequest, door: Asked, **parameters: Any) -> Sequence[Any]:
        """Return the rows of a page and one more, where there is one; in the same trip the door is tried.

        Raises:
            NotFoundError: when ``door`` finds nothing: the viewer may not see what is listed.
        """
        listing, parameters = self.first, {"page_rows": page.limit + 1, **parameters}
        if page.cursor is not None:
            listing = self.further
            parameters |= {"cursor_at": page.cursor.at, "cursor_id": page.cursor.id}
        found, rows = await in_one_trip(session, door, (listing, parameters))
        if not found:
            raise NotFoundError
        return rows
