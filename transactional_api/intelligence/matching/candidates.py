"""Look up matched users and connectors by id, restricted to what the viewer may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func

from transactional_api.community.connectors import queries as connectors
from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.core.compiled_queries import IDS, LIMIT, VIEWER_PLACEHOLDER
from transactional_api.core.db.statements import BoundStatement, CompiledStatement, StatementRunner
from transactional_api.core.db.tables import Connector, User
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users
from transactional_api.identity.users.schemas import PublicUser

_PEOPLE = CompiledStatement(
    users.visible_to(VIEWER_PLACEHOLDER)
    .with_only_columns(*(getattr(User, name) for name in PublicUser.model_fields))
    .where(User.id == any_(IDS), User.id != VIEWER_PLACEHOLDER.id, users.has_verified_email())
)
_CONNECTORS = CompiledStatement(
    connectors.select_public_columns(connectors.visible_to(VIEWER_PLACEHOLDER), VIEWER_PLACEHOLDER)
    .where(Connector.id == any_(IDS), ~connectors.is_member(VIEWER_PLACEHOLDER))
    .order_by(func.array_position(IDS, Connector.id))
    .limit(LIMIT)
)


async def load_users(runner: StatementRunner, *, viewer: Viewer, ids: Sequence[UUID]) -> dict[UUID, PublicUser]:
    """Return the visible users with a verified email address among ``ids``, except the viewer."""
    rows = await _PEOPLE.all(runner, viewer_id=viewer.id, ids=list(ids)) if ids else []
    return {row.id: PublicUser.model_validate(row) for row in rows}


async def load_connectors(
    runner: StatementRunner, *, viewer: Viewer, ids: Sequence[UUID], limit: int
) -> dict[UUID, ConnectorOut]:
    """Return at most ``limit`` visible connectors that the viewer can join, in the order of ``ids``."""
    statement, parameters = joinable_connectors(viewer=viewer, ids=ids, limit=limit)
    return connectors_by_id(await statement.all(runner, **parameters) if ids else [])


def joinable_connectors(*, viewer: Viewer, ids: Sequence[UUID], limit: int) -> BoundStatement:
    """Return the statement of ``load_connectors``, for pipelining; ``connectors_by_id`` reads its rows."""
    return _CONNECTORS, {"viewer_id": viewer.id, "ids": list(ids), "most": limit}


def connectors_by_id(rows: Sequence[Any]) -> dict[UUID, ConnectorOut]:
    """Return the connectors in rows of ``joinable_connectors``."""
    return {row.id: ConnectorOut.model_validate(row) for row in rows}
