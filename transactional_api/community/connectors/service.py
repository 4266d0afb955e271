"""Connectors: creation, listing, changes and closing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import queries
from transactional_api.community.connectors.access import get_connector_access, lock
from transactional_api.community.connectors.schemas import (
    ConnectorBody,
    ConnectorCategories,
    ConnectorCategory,
    ConnectorDetail,
    ConnectorOut,
    ConnectorPatch,
    Role,
)
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER, uuid_param
from transactional_api.core.db.tables import Connector, ConnectorMember
from transactional_api.core.errors import ForbiddenError, NotFoundError
from transactional_api.core.geography import Near
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.references import references_to
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.withdrawals import Cause, everyone, outsiders, withdraw

MAX_CATEGORIES = 200
_CONNECTOR_BY_ID = queries.select_public_columns(queries.visible_to(VIEWER_PLACEHOLDER), VIEWER_PLACEHOLDER).where(
    Connector.id == uuid_param("connector_id")
)


async def create(session: AsyncSession, *, viewer: Viewer, body: ConnectorBody) -> ConnectorDetail:
    """Create a connector; the viewer becomes its first member and admin."""
    values = await columns(session, viewer=viewer, body=body)
    connector = Connector(**values, created_by=viewer.id, member_count=1)
    session.add(connector)
    await session.flush()
    await session.execute(insert(ConnectorMember).values(connector_id=connector.id, user_id=viewer.id, role=Role.ADMIN))
    await request_screening(session, SubjectKind.CONNECTOR, connector.id)
    return await get(session, viewer=viewer, connector_id=connector.id)


async def get(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ConnectorDetail:
    """Return a connector and the viewer's role in it; raises ``NotFoundError`` if they cannot see it."""
    row = (
        await session.execute(_CONNECTOR_BY_ID, {"viewer_id": viewer.id, "connector_id": connector_id})
    ).one_or_none()
    if row is None:
        raise NotFoundError
    return ConnectorDetail.model_validate(row)


async def replace(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, body: ConnectorBody) -> ConnectorDetail:
    """Replace the editable fields of a connector.

    If it turns private, the RSVPs, reservations and requests of non-members are withdrawn.

    Raises:
        ForbiddenError: the viewer is not an admin.
    """
    await lock(session, connector_id=connector_id)
    access = await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    if not access.is_admin:
        raise ForbiddenError("Only an admin may change the connector")
    turns_private = access.connector.is_public and not body.is_public
    present = [str(access.connector.media_id)]
    values = await columns(session, viewer=viewer, body=body, present=present)
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(**values, updated_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )
    if turns_private:
        await withdraw(session, Cause.TURNED_PRIVATE, connector_id=connector_id, who=outsiders(connector_id))
    await request_screening(session, SubjectKind.CONNECTOR, connector_id)
    return await get(session, viewer=viewer, connector_id=connector_id)


async def change(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, patch: ConnectorPatch
) -> ConnectorDetail:
    """Replace the fields that a patch has; raises what ``replace`` does.

    The route has locked the row.
    """
    present = await get(session, viewer=viewer, connector_id=connector_id)
    body = patch.applied_to(present, body=ConnectorBody)
    return await replace(session, viewer=viewer, connector_id=connector_id, body=body)


async def close(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Close a connector: it and its content become invisible, its events, reservations and purchases are cancelled.

    Raises:
        ForbiddenError: the viewer is not an admin.
    """
    await lock(session, connector_id=connector_id)
    if not (await get_connector_access(session, viewer=viewer, connector_id=connector_id)).is_admin:
        raise ForbiddenError("Only an admin may close the connector")
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(is_active=False, updated_at=datetime.now(UTC))
        .execution_options(synchronize_session=False)
    )
    await withdraw(session, Cause.CLOSED, connector_id=connector_id, who=everyone())


async def list_connectors(
    session: AsyncSession,
    *,
    viewer: Viewer,
    page: PageRequest,
    query: str | None = None,
    category: str | None = None,
    near: Near | None = None,
    joined: bool = False,
    ids: Sequence[UUID] | None = None,
) -> Page[ConnectorOut]:
    """List connectors, newest first; with ``joined``, only those that the viewer is a member of."""
    statement = queries.matching(queries.visible_to(viewer), query=query, category=category, near=near)
    if joined:
        statement = statement.where(queries.is_member(viewer))
    if ids is not None:
        statement = statement.where(Connector.id.in_(ids))
    return await _page(session, page, queries.select_public_columns(statement, viewer))


async def discover(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, near: Near | None, ignore_interests: bool
) -> Page[ConnectorOut]:
    """List connectors that the viewer is not a member of, newest first.

    Limited to the categories of their interests unless ``ignore_interests``.
    """
    statement = queries.matching(queries.visible_to(viewer), query=None, category=None, near=near)
    statement = statement.where(~queries.is_member(viewer))
    if not ignore_interests:
        statement = statement.where(queries.of_interest(viewer))
    return await _page(session, page, queries.select_public_columns(statement, viewer))


async def categories(session: AsyncSession, *, viewer: Viewer) -> ConnectorCategories:
    """Count the visible connectors by category, largest first."""
    count = func.count()
    rows = await session.execute(
        select(Connector.category, count.label("connector_count"))
        .where(queries.may_see(viewer))
        .group_by(Connector.category)
        .order_by(count.desc(), Connector.category.collate("C"))
        .limit(MAX_CATEGORIES)
    )
    return ConnectorCategories(
        items=[ConnectorCategory(category=row.category, connector_count=row.connector_count) for row in rows]
    )


async def _page(session: AsyncSession, page: PageRequest, statement: Any) -> Page[ConnectorOut]:
    rows = (await session.execute(page.select(statement, at=Connector.created_at, row_id=Connector.id))).all()
    return page.of(rows, ConnectorOut.model_validate)


async def columns(
    session: AsyncSession, *, viewer: Viewer, body: ConnectorBody, present: Collection[str] = ()
) -> dict[str, Any]:
    """Return the column values of an admin's input; raises the errors of ``references_to``."""
    media_ids = await references_to(
        session,
        viewer=viewer,
        media_ids=[body.media_id] if body.media_id else None,
        links=[body.image_url] if body.image_url else [],
        present=present,
        kinds={MediaKind.IMAGE},
    )
    return body.model_dump(exclude={"point", "image_url"}) | {
        "image_url": None,
        "media_id": UUID(media_ids[0]) if media_ids else None,
        "latitude": body.point.latitude if body.point else None,
        "longitude": body.point.longitude if body.point else None,
    }
