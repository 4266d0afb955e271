"""Who belongs to a connector: leaving, roles, removing and banning.

Whoever tends a connector reaches everyone in it, blocked or not: a block must not shield from moderation.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries
from transactional_api.connectors.access import Access, access, access_to_tend, lock
from transactional_api.connectors.schemas import BanBody, BanOut, MemberOut, Role
from transactional_api.db.tables import Ban, Connector, ConnectorMember, Invitation, JoinRequest, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.paging import Page, PageRequest


class LastAdminError(Problem):
    """The only admin cannot go while there are others to look after."""

    status, code, title = 409, "last_admin", "The last admin stays while the connector has other members"


async def members(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest) -> Page[MemberOut]:
    """List the members of a connector that the viewer may see, the first to join first."""
    await access(session, viewer=viewer, connector_id=connector_id)
    statement = page.select(
        queries.members_of(viewer, connector_id=connector_id),
        at=ConnectorMember.joined_at,
        row_id=ConnectorMember.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: MemberOut.model_validate(row, from_attributes=True), at="joined_at")


async def leave(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Leave a connector, or take back a request to join it; the last to leave closes it.

    Raises:
        LastAdminError: when nobody would be left to look after the other members.
    """
    # Two admins who leave at once must not both see the other one stay.
    await lock(session, connector_id=connector_id)
    await access(session, viewer=viewer, connector_id=connector_id)
    await session.execute(
        delete(JoinRequest).where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == viewer.id)
    )
    await _take_out(session, connector_id=connector_id, user_id=viewer.id)


async def set_role(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID, role: Role) -> None:
    """Give a member a role.

    Raises:
        ForbiddenError: for who is not an admin.
        NotFoundError: when the person is not a member.
        LastAdminError: when no admin would be left.
    """
    await lock(session, connector_id=connector_id)
    found = await access(session, viewer=viewer, connector_id=connector_id)
    if not found.administers:
        raise ForbiddenError("Only an admin may give roles")
    before = await _role_of(session, connector_id=connector_id, user_id=user_id)
    if before is None:
        raise NotFoundError
    if before is Role.ADMIN and role is not Role.ADMIN and await _admins(session, connector_id=connector_id) == 1:
        raise LastAdminError
    await session.execute(
        update(ConnectorMember)
        .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id)
        .values(role=role)
    )


async def end_membership(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    """Take out one whose account ends; the last admin hands over to the member of longest standing."""
    await lock(session, connector_id=connector_id)
    role = await _role_of(session, connector_id=connector_id, user_id=user_id)
    if role is Role.ADMIN and await _admins(session, connector_id=connector_id) == 1:
        oldest = (
            select(ConnectorMember.id)
            .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id != user_id)
            .order_by(ConnectorMember.joined_at, ConnectorMember.id)
            .limit(1)
            .scalar_subquery()
        )
        await session.execute(
            update(ConnectorMember)
            .where(ConnectorMember.id == oldest)
            .values(role=Role.ADMIN)
            .execution_options(synchronize_session=False)
        )
    await _take_out(session, connector_id=connector_id, user_id=user_id)


async def remove(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Put a member out; they may come back as the join policy has it.

    Raises:
        ForbiddenError: for who tends nothing, or would put out one of their own rank or themselves.
        NotFoundError: when the person is not a member.
    """
    await lock(session, connector_id=connector_id)
    found = await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    role = await _may_put_out(session, found=found, viewer=viewer, user_id=user_id)
    if role is None:
        raise NotFoundError
    await _take_out(session, connector_id=connector_id, user_id=user_id)


async def ban(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID, body: BanBody) -> None:
    """Keep a person out, member or not; a second ban replaces the first.

    Raises:
        ForbiddenError: for who tends nothing, or would ban one of their own rank or themselves.
        NotFoundError: when there is no such person.
    """
    await lock(session, connector_id=connector_id)
    found = await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    await _may_put_out(session, found=found, viewer=viewer, user_id=user_id)
    if await session.scalar(select(User.id).where(User.id == user_id, User.is_active.is_(True))) is None:
        raise NotFoundError
    now = datetime.now(UTC)
    values = {
        "banned_by": viewer.id,
        "reason": body.reason,
        "created_at": now,
        "ends_at": now + timedelta(days=body.days) if body.days else None,
    }
    await session.execute(
        insert(Ban)
        .values(connector_id=connector_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["connector_id", "user_id"], set_=values)
    )
    for way_in in (JoinRequest, Invitation):
        await session.execute(delete(way_in).where(way_in.connector_id == connector_id, way_in.user_id == user_id))
    await _take_out(session, connector_id=connector_id, user_id=user_id)


async def lift_ban(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Let a person in again as the join policy has it; who was not banned changes nothing."""
    await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    await session.execute(delete(Ban).where(Ban.connector_id == connector_id, Ban.user_id == user_id))


async def bans(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest) -> Page[BanOut]:
    """List who is banned, the latest first, for who tends the connector."""
    await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    rows = (await session.execute(page.select(queries.bans_of(connector_id), at=Ban.created_at, row_id=Ban.id))).all()
    return page.of(rows, lambda row: BanOut.model_validate(row, from_attributes=True))


async def _may_put_out(session: AsyncSession, *, found: Access, viewer: Viewer, user_id: UUID) -> Role | None:
    role = await _role_of(session, connector_id=found.connector.id, user_id=user_id)
    if user_id == viewer.id:
        raise ForbiddenError("Leave the connector instead")
    if not found.may_act_on(role):
        raise ForbiddenError("Only an admin may do this to a moderator or an admin")
    return role


async def _role_of(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> Role | None:
    role = await session.scalar(
        select(ConnectorMember.role).where(
            ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id
        )
    )
    return Role(role) if role else None


async def _admins(session: AsyncSession, *, connector_id: UUID) -> int:
    number = await session.scalar(
        select(func.count()).where(ConnectorMember.connector_id == connector_id, ConnectorMember.role == Role.ADMIN)
    )
    return number or 0


async def _take_out(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    """Remove a membership, if there is one, and count it; the connector is locked."""
    role = await session.scalar(
        delete(ConnectorMember)
        .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id)
        .returning(ConnectorMember.role)
    )
    if role is None:
        return
    left = await session.scalar(select(func.count()).where(ConnectorMember.connector_id == connector_id))
    if left and role == Role.ADMIN and not await _admins(session, connector_id=connector_id):
        raise LastAdminError
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(member_count=Connector.member_count - 1, is_active=bool(left))
        .execution_options(synchronize_session=False)
    )
