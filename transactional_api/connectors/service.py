"""Connectors: making, finding, changing and closing them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries
from transactional_api.connectors.access import access, lock
from transactional_api.connectors.schemas import (
    Categories,
    CategoryOut,
    ConnectorBody,
    ConnectorDetail,
    ConnectorOut,
    Role,
)
from transactional_api.db.tables import Connector, ConnectorMember
from transactional_api.errors import ForbiddenError
from transactional_api.moderation import screening
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.paging import Page, PageRequest
from transactional_api.places import Near

MAX_CATEGORIES = 200


async def create(session: AsyncSession, *, viewer: Viewer, body: ConnectorBody) -> ConnectorDetail:
    """Create a connector; its creator is its first member and admin."""
    connector = Connector(**_columns(body), created_by=viewer.id, member_count=1)
    session.add(connector)
    await session.flush()
    await session.execute(insert(ConnectorMember).values(connector_id=connector.id, user_id=viewer.id, role=Role.ADMIN))
    await session.refresh(connector)
    await screening.screen(session, SubjectKind.CONNECTOR, connector.id)
    return _detail(connector, Role.ADMIN)


async def get(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ConnectorDetail:
    """Return a connector and the viewer's role in it; raises ``NotFoundError`` when they may not see it."""
    found = await access(session, viewer=viewer, connector_id=connector_id)
    return _detail(found.connector, found.role)


async def find(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    words: str | None = None,
    category: str | None = None,
    near: Near | None = None,
    mine: bool = False,
) -> Page[ConnectorOut]:
    """List connectors, the newest first; with ``mine`` only those that the viewer belongs to."""
    statement = queries.matching(queries.visible_to(viewer), words=words, category=category, near=near)
    if mine:
        statement = statement.where(queries.is_member(viewer))
    return await _page(session, page, statement)


async def discover(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, near: Near | None, any_interest: bool
) -> Page[ConnectorOut]:
    """List connectors that the viewer is not in, of their interests unless ``any_interest``, the newest first."""
    statement = queries.matching(queries.visible_to(viewer), words=None, category=None, near=near)
    statement = statement.where(~queries.is_member(viewer))
    if not any_interest:
        statement = statement.where(queries.of_interest(viewer))
    return await _page(session, page, statement)


async def categories(session: AsyncSession, *, viewer: Viewer) -> Categories:
    """Count the connectors that the viewer may see by category, the largest category first."""
    number = func.count()
    rows = await session.execute(
        select(Connector.category, number.label("connectors"))
        .where(queries.may_see(viewer))
        .group_by(Connector.category)
        .order_by(number.desc(), Connector.category)
        .limit(MAX_CATEGORIES)
    )
    return Categories(items=[CategoryOut(category=row.category, connectors=row.connectors) for row in rows])


async def replace(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, body: ConnectorBody) -> ConnectorDetail:
    """Replace what an admin may write; raises ``ForbiddenError`` for anyone else who may see it."""
    found = await access(session, viewer=viewer, connector_id=connector_id)
    if not found.administers:
        raise ForbiddenError("Only an admin may change the connector")
    replaced = await session.scalar(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(**_columns(body), updated_at=datetime.now(UTC))
        .returning(Connector)
        .execution_options(populate_existing=True)
    )
    await screening.screen(session, SubjectKind.CONNECTOR, connector_id)
    assert replaced is not None  # noqa: S101 (connectors are never deleted, only made inactive)
    return _detail(replaced, found.role)


async def close(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Close a connector: nobody sees it or what is in it any more.

    Raises:
        ForbiddenError: for who sees it and is not its admin.
    """
    await lock(session, connector_id=connector_id)
    if not (await access(session, viewer=viewer, connector_id=connector_id)).administers:
        raise ForbiddenError("Only an admin may close the connector")
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(is_active=False, updated_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )


async def _page(session: AsyncSession, page: PageRequest, statement: Any) -> Page[ConnectorOut]:
    rows = (await session.scalars(page.select(statement, at=Connector.created_at, row_id=Connector.id))).all()
    return page.of(rows, ConnectorOut.model_validate)


def _columns(body: ConnectorBody) -> dict[str, Any]:
    return body.model_dump(exclude={"point"}) | {
        "latitude": body.point.latitude if body.point else None,
        "longitude": body.point.longitude if body.point else None,
    }


def _detail(connector: Connector, role: Role | None) -> ConnectorDetail:
    return ConnectorDetail(**ConnectorOut.model_validate(connector).model_dump(), role=role)
