"""People and connectors whom a match names, as the viewer may see them; whom they may not see is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries as connectors
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.db.plain import Asked, Ready
from transactional_api.db.tables import Connector, User
from transactional_api.prepared import IDS, MOST, SOMEONE
from transactional_api.users import queries as users
from transactional_api.users.schemas import PublicUser

_PEOPLE = Ready(
    users.visible_to(SOMEONE)
    .with_only_columns(*(getattr(User, name) for name in PublicUser.model_fields))
    .where(User.id == any_(IDS), User.id != SOMEONE.id)
)
_CONNECTORS = Ready(
    connectors.shown(connectors.visible_to(SOMEONE))
    .where(Connector.id == any_(IDS), ~connectors.is_member(SOMEONE))
    .order_by(func.array_position(IDS, Connector.id))
    .limit(MOST)
)


async def people(session: AsyncSession, *, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, PublicUser]:
    """Return those of ``ids`` whom the viewer may see, themselves aside."""
    rows = await _PEOPLE.all(session, viewer_id=viewer.id, ids=list(ids)) if ids else []
    return {row.id: PublicUser.model_validate(row) for row in rows}


async def to_join(
    session: AsyncSession, *, viewer: Viewer, ids: Sequence[UUID], limit: int
) -> dict[UUID, ConnectorOut]:
    """Return the first of ``ids`` that the viewer may see and is not in, at most ``limit``, in their order."""
    ready, parameters = asking_to_join(viewer=viewer, ids=ids, limit=limit)
    return joinable(await ready.all(session, **parameters) if ids else [])


def asking_to_join(*, viewer: Viewer, ids: Sequence[UUID], limit: int) -> Asked:
    """Return the statement of ``to_join``, to be asked together with others; ``joinable`` reads its rows."""
    return _CONNECTORS, {"viewer_id": viewer.id, "ids": list(ids), "most": limit}


def joinable(rows: Sequence[Any]) -> dict[UUID, ConnectorOut]:
    """Return the connectors of rows that ``asking_to_join`` found."""
    return {row.id: ConnectorOut.model_validate(row) for row in rows}
