"""Optimistic concurrency: ``ETag`` identifies the version of a resource, ``If-Match`` the version that a write expects.

The row is locked before the comparison, so that one of two concurrent writes of a version wins. Only users with write
access get 412: for others the response is the same as without the header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import Problem
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.conditional_requests import version_of

STALE = "neighborconnect.stale"


class PreconditionFailedError(Problem):
    """The resource was changed since the client read it."""

    status, code, title = 412, "stale", "Somebody changed this since you read it; read it again"


class _Versioned(Protocol):
    updated_at: datetime


Answer = TypeVar("Answer", bound=_Versioned)


def etag(updated_at: datetime) -> str:
    """Return the entity tag of a version."""
    return f'"{int(updated_at.astimezone(UTC).timestamp() * 1_000_000):x}"'


def set_etag(response: Response, answer: Answer) -> Answer:
    """Set the ``ETag`` of the response to the version of ``answer``."""
    response.headers["ETag"] = etag(answer.updated_at)
    return answer


def require_if_match(
    updated_at: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[UUID],
    *,
    path: str | None,
    locks: bool = True,
) -> Any:
    """Return the dependency that compares ``If-Match`` of a write with the current version.

    Args:
        updated_at: version column.
        row_id: id column.
        path: path parameter with the id; None for the id of the viewer.
        locks: False if another row is locked first and its state rejects a second write of a version.
    """

    async def hold(
        request: Request,
        session: SessionDep,
        viewer: CurrentUser,
        if_match: Annotated[
            str | None, Header(max_length=200, description="The `ETag` of the version that you read.")
        ] = None,
    ) -> None:
        is_unconditional = if_match is None or if_match.strip() == "*"
        # A partial update writes back what it has read, and locks the row so that nothing is lost in between.
        if is_unconditional and request.method != "PATCH":
            return
        try:
            resource_id = UUID(str(request.path_params[path])) if path is not None else viewer.id
        except ValueError:
            return  # The route returns the validation error.
        statement = select(updated_at).where(row_id == resource_id)
        present = await session.scalar(statement.with_for_update(key_share=True) if locks else statement)
        if if_match is None or is_unconditional:
            return
        expected = {version_of(tag) for tag in if_match.split(",")}
        request.scope[STALE] = present is not None and etag(present) not in expected

    return Depends(hold)
