"""Statements of the hot reads, built once: SQLAlchemy then neither assembles nor fingerprints them for each request.

The queries of every slice take a viewer; ``VIEWER_PLACEHOLDER`` is one whose id is a bind parameter, so that a hot
read contains the same permission check as every other. Measured by ``python -m benchmarks reads``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Select, Uuid, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.db.statements import BoundStatement, CompiledStatement, StatementRunner
from transactional_api.core.errors import NotFoundError
from transactional_api.core.pagination import PageRequest
from transactional_api.core.viewer import Viewer


def uuid_param(name: str) -> Any:
    """Return a UUID bind parameter."""
    return bindparam(name, type_=Uuid())


IDS = bindparam("ids", type_=ARRAY(Uuid()))
"""Array of ids: one bind parameter however many, so that the statement stays the same."""
LIMIT = bindparam("most", type_=Integer())
"""Largest number of rows, as the bind parameter ``most``."""

VIEWER_PLACEHOLDER = Viewer(
    id=uuid_param("viewer_id"),
    neighborhood=None,
    city=None,
    role="member",
    session_id=uuid_param("session_id"),
    personalised=False,
    analysed=False,
    scopes=[],
    verified=False,
)
"""A viewer whose id is the bind parameter ``viewer_id``; for queries that use nothing of a viewer but the ids."""


def viewer_of(user_id: Any) -> Viewer:
    """Return a viewer whose id is a column of the enclosing statement, so that each row has its own reader."""
    return replace(VIEWER_PLACEHOLDER, id=user_id)


@dataclass(frozen=True, slots=True)
class KeysetQuery:
    """A list paged by a time and an id, newest first: compiled for its first page and for those after a cursor."""

    first_page: CompiledStatement
    next_page: CompiledStatement = field(repr=False)

    @classmethod
    def of(
        cls,
        statement: Select[Any],
        *,
        created_at_column: InstrumentedAttribute[datetime],
        id_column: InstrumentedAttribute[UUID],
    ) -> KeysetQuery:
        """Compile the pages of ``statement``."""
        ordered = statement.order_by(created_at_column.desc(), id_column.desc()).limit(
            bindparam("page_rows", type_=Integer())
        )
        cursor = tuple_(bindparam("cursor_at", type_=DateTime(timezone=True)), bindparam("cursor_id", type_=Uuid()))
        return cls(
            CompiledStatement(ordered), CompiledStatement(ordered.where(tuple_(created_at_column, id_column) < cursor))
        )

    async def rows(
        self, runner: StatementRunner, *, page: PageRequest, visibility_check: BoundStatement, **parameters: Any
    ) -> Sequence[Any]:
        """Return the rows of a page and one more if there is one; the visibility check runs in the same round trip.

        Raises:
            NotFoundError: when the visibility check returns no row: the viewer may not see what is listed.
        """
        query, parameters = self.first_page, {"page_rows": page.limit + 1, **parameters}
        if page.cursor is not None:
            query = self.next_page
            parameters |= {"cursor_at": page.cursor.at, "cursor_id": page.cursor.id}
        visible, rows = await runner.fetch_pipelined(visibility_check, (query, parameters))
        if not visible:
            raise NotFoundError
        return rows
