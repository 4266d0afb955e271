"""Statements of the hot reads, built once: SQLAlchemy then neither assembles nor fingerprints them for each request.

The queries of every slice take a viewer; ``SOMEONE`` is one whose id is a parameter, so that a hot read has the same
permission in it as every other. Measured by ``python -m benchmarks reads``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BindParameter, DateTime, Integer, Select, Uuid, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import Viewer
from transactional_api.paging import PageRequest


def parameter(name: str) -> Any:
    """Return an id that is said when the statement is run."""
    return bindparam(name, type_=Uuid())


_VIEWER: BindParameter[UUID] = bindparam("viewer_id", type_=Uuid())
SOMEONE = Viewer(
    id=cast("UUID", _VIEWER),
    neighborhood=None,
    city=None,
    role="member",
    session_id=cast("UUID", None),
    personalised=False,
    analysed=False,
    scopes=[],
)
"""Whoever ``viewer_id`` is; for statements that ask for nothing of a viewer but their id."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is paged by a time and an id, ready for its first page and for those after a cursor."""

    first: Select[Any]
    further: Select[Any] = field(repr=False)

    @classmethod
    def of(
        cls, statement: Select[Any], *, at: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[UUID]
    ) -> Listing:
        """Prepare the pages of ``statement``, the newest first."""
        order = statement.order_by(at.desc(), row_id.desc()).limit(bindparam("page_rows", type_=Integer()))
        place = tuple_(bindparam("cursor_at", type_=DateTime(timezone=True)), bindparam("cursor_id", type_=Uuid()))
        return cls(order, order.where(tuple_(at, row_id) < place))

    def page(self, page: PageRequest, **parameters: Any) -> tuple[Select[Any], dict[str, Any]]:
        """Return the statement of a page and all of its parameters, for ``session.execute``."""
        known = parameters | {"page_rows": page.limit + 1}
        if page.cursor is None:
            return self.first, known
        return self.further, known | {"cursor_at": page.cursor.at, "cursor_id": page.cursor.id}
