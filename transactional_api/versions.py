"""Stale writes: an ``ETag`` names the version of what was read, ``If-Match`` says which one a write is meant for.

The row is locked before the write looks at it, so that of two writes of one version one wins. Whether the version is
another is only said to who may write at all: to everybody else there is nothing to see, as without the header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.errors import Problem

STALE = "neighborconnect.stale"


class StaleError(Problem):
    """What is to be changed was changed since it was read."""

    status, code, title = 412, "stale", "Somebody changed this since you read it; read it again"


class _Versioned(Protocol):
    updated_at: datetime


Answer = TypeVar("Answer", bound=_Versioned)


def etag(updated_at: datetime) -> str:
    """Return the name of a version."""
    return f'"{int(updated_at.astimezone(UTC).timestamp() * 1_000_000):x}"'


def tagged(response: Response, answer: Answer) -> Answer:
    """Name the version of ``answer`` in the response's headers."""
    response.headers["ETag"] = etag(answer.updated_at)
    return answer


def meant_for(
    updated_at: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[UUID], *, path: str | None
) -> Any:
    """Return the dependency that holds a write against its ``If-Match``; ``path`` has the id, None for the viewer's."""

    async def hold(
        request: Request,
        session: SessionDep,
        viewer: ViewerDep,
        if_match: Annotated[
            str | None, Header(max_length=200, description="The `ETag` of the version that you read.")
        ] = None,
    ) -> None:
        if if_match is None or if_match.strip() == "*":
            return
        try:
            wanted = UUID(str(request.path_params[path])) if path is not None else viewer.id
        except ValueError:
            return  # The route says so itself.
        present = await session.scalar(select(updated_at).where(row_id == wanted).with_for_update(key_share=True))
        named = {one.strip().removeprefix("W/") for one in if_match.split(",")}
        request.scope[STALE] = present is not None and etag(present) not in named

    return Depends(hold)
