"""Connectors: making, finding, joining and leaving them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries
from transactional_api.connectors.schemas import (
    ConnectorBody,
    ConnectorDetail,
    ConnectorOut,
    MemberOut,
    Membership,
    Role,
)
from transactional_api.db.tables import Connector, ConnectorMember
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.paging import Page, PageRequest


class LastAdminError(Problem):
    """The only admin cannot leave while there are others to look after."""

    status, code, title = 409, "last_admin", "The last admin cannot leave while the connector has other members"


async def create(session: AsyncSession, *, viewer: Viewer, body: ConnectorBody) -> ConnectorDetail:
    """Create a connector; its creator is its first member and admin."""
    connector = Connector(**body.model_dump(), created_by=viewer.id, member_count=1)
    session.add(connector)
    await session.flush()
    await session.execute(insert(ConnectorMember).values(connector_id=connector.id, user_id=viewer.id, role=Role.ADMIN))
    await session.refresh(connector)
    return _detail(connector, Role.ADMIN)


async def get(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> ConnectorDetail:
    """Return a connector and the viewer's role in it; raises ``NotFoundError`` when they may not see it."""
    return _detail(*await _access(session, viewer=viewer, connector_id=connector_id))


async def find(
    session: AsyncSession, *, viewer: Viewer, page: PageRequest, words: str | None = None, category: str | None = None
) -> Page[ConnectorOut]:
    """List connectors, the newest first."""
    statement = queries.matching(queries.visible_to(viewer), words=words, category=category)
    rows = (await session.scalars(page.select(statement, at=Connector.created_at, row_id=Connector.id))).all()
    return Page(
        items=[ConnectorOut.model_validate(row) for row in rows[: page.limit]], next_cursor=page.next_cursor(rows)
    )


async def replace(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, body: ConnectorBody) -> ConnectorDetail:
    """Replace what an admin may write; raises ``ForbiddenError`` for anyone else who may see it."""
    connector, role = await _access(session, viewer=viewer, connector_id=connector_id)
    if role is not Role.ADMIN:
        raise ForbiddenError("Only an admin may change the connector")
    replaced = await session.scalar(
        update(Connector)
        .where(Connector.id == connector.id)
        .values(**body.model_dump(), updated_at=datetime.now(UTC))
        .returning(Connector)
        .execution_options(populate_existing=True)
    )
    assert replaced is not None  # noqa: S101 (connectors are never deleted, only made inactive)
    return _detail(replaced, role)


async def join(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Membership:
    """Join a connector that the viewer may see; who is a member stays one."""
    await _access(session, viewer=viewer, connector_id=connector_id)
    joined = await session.scalar(
        insert(ConnectorMember)
        .values(connector_id=connector_id, user_id=viewer.id, role=Role.MEMBER)
        .on_conflict_do_nothing()
        .returning(ConnectorMember)
    )
    if joined is not None:
        await session.execute(
            update(Connector)
            .where(Connector.id == connector_id)
            .values(member_count=Connector.member_count + 1)
            .execution_options(synchronize_session=False)
        )
        return Membership.model_validate(joined)
    present = await session.scalar(
        select(ConnectorMember).where(
            ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == viewer.id
        )
    )
    if present is None:  # It was there, and left in this very moment.
        raise NotFoundError
    return Membership.model_validate(present)


async def leave(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Leave a connector; who is not a member stays outside, and the last to leave closes it.

    Raises:
        LastAdminError: when nobody would be left to look after the other members.
    """
    await _access(session, viewer=viewer, connector_id=connector_id)
    # Two admins who leave at once must not both see the other one stay.
    await session.execute(select(Connector.id).where(Connector.id == connector_id).with_for_update())
    role = await session.scalar(
        delete(ConnectorMember)
        .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == viewer.id)
        .returning(ConnectorMember.role)
    )
    if role is None:
        return
    left = select(func.count(), func.count().filter(ConnectorMember.role == Role.ADMIN)).where(
        ConnectorMember.connector_id == connector_id
    )
    members, admins = (await session.execute(left)).one()
    if members and not admins and role == Role.ADMIN:
        raise LastAdminError
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(member_count=Connector.member_count - 1, is_active=members > 0)
        .execution_options(synchronize_session=False)
    )


async def members(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest) -> Page[MemberOut]:
    """List the members of a connector that the viewer may see, the first to join first."""
    await _access(session, viewer=viewer, connector_id=connector_id)
    statement = page.select(
        queries.members_of(viewer, connector_id=connector_id),
        at=ConnectorMember.joined_at,
        row_id=ConnectorMember.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return Page(
        items=[MemberOut.model_validate(row, from_attributes=True) for row in rows[: page.limit]],
        next_cursor=page.next_cursor(rows, at="joined_at"),
    )


async def _access(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> tuple[Connector, Role | None]:
    row = (await session.execute(queries.with_role(viewer, connector_id=connector_id))).one_or_none()
    if row is None:
        raise NotFoundError
    connector, role = row
    return connector, Role(role) if role else None


def _detail(connector: Connector, role: Role | None) -> ConnectorDetail:
    return ConnectorDetail(**ConnectorOut.model_validate(connector).model_dump(), role=role)
