"""Members of a connector: roles, removal and bans.

Moderators can act on every member, even across a block: a block must not shield anyone from moderation.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import queries
from transactional_api.community.connectors.access import ConnectorAccess, get_connector_access, lock, require_moderator
from transactional_api.community.connectors.schemas import BanBody, BanOut, MemberOut, Role
from transactional_api.core.db.tables import Ban, Connector, ConnectorMember, JoinRequest, User
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.core.withdrawals import Cause, everyone, only, withdraw


class LastAdminError(Problem):
    """The only admin cannot leave while other members remain."""

    status, code, title = 409, "last_admin", "The last admin cannot leave while the connector has other members"


async def members(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest) -> Page[MemberOut]:
    """List the members of a connector whom the viewer can see, ordered by the time of joining."""
    await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    statement = page.select(
        queries.members_of(viewer, connector_id=connector_id),
        at=ConnectorMember.joined_at,
        row_id=ConnectorMember.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: MemberOut.model_validate(row, from_attributes=True), at="joined_at")


async def leave(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Leave a connector, or withdraw a join request. The last member closes the connector.

    Raises:
        LastAdminError: other members would remain without an admin.
    """
    # Serialized, because two admins who leave concurrently would each see the other one as remaining.
    await lock(session, connector_id=connector_id)
    request_id = await session.scalar(
        delete(JoinRequest)
        .where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == viewer.id)
        .returning(JoinRequest.id)
    )
    # A request can be withdrawn and a ban exists even if the viewer can no longer see the connector.
    banned = select(Ban.id).where(Ban.connector_id == connector_id, Ban.user_id == viewer.id)
    if request_id is None and await session.scalar(banned) is None:
        await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    await _delete_membership(session, Cause.LEFT, connector_id=connector_id, user_id=viewer.id)


async def set_role(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID, role: Role) -> None:
    """Change the role of a member.

    Raises:
        ForbiddenError: the viewer is not an admin.
        NotFoundError: the user is not a member.
        LastAdminError: no admin would remain.
    """
    await lock(session, connector_id=connector_id)
    access = await get_connector_access(session, viewer=viewer, connector_id=connector_id)
    if not access.is_admin:
        raise ForbiddenError("Only an admin can change roles")
    before = await _role_of(session, connector_id=connector_id, user_id=user_id)
    if before is None:
        raise NotFoundError
    if before is Role.ADMIN and role is not Role.ADMIN and await _count_admins(session, connector_id=connector_id) == 1:
        raise LastAdminError
    await session.execute(
        update(ConnectorMember)
        .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id)
        .values(role=role)
    )
    if role is not before and user_id != viewer.id:
        await _notify(session, NoticeKind.ROLE_CHANGED, access=access, user_id=user_id)


async def end_membership(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    """Remove a member whose account is erased. The last admin is succeeded by the longest-standing member."""
    await lock(session, connector_id=connector_id)
    role = await _role_of(session, connector_id=connector_id, user_id=user_id)
    if role is Role.ADMIN and await _count_admins(session, connector_id=connector_id) == 1:
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
    # Erasure withdraws the rest of the user's data itself, with a line in its receipt for each location.
    await _delete_membership(session, None, connector_id=connector_id, user_id=user_id)


async def remove(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Remove a member; they can come back according to the join policy.

    Raises:
        ForbiddenError: the viewer is not a moderator, or the member has the same or a higher role.
        NotFoundError: the user is not a member.
    """
    await lock(session, connector_id=connector_id)
    access = await require_moderator(session, viewer=viewer, connector_id=connector_id)
    role = await _check_removable(session, access=access, viewer=viewer, user_id=user_id)
    if role is None:
        raise NotFoundError
    await _delete_membership(session, Cause.LEFT, connector_id=connector_id, user_id=user_id)
    await _notify(session, NoticeKind.MEMBERSHIP_ENDED, access=access, user_id=user_id)


async def ban(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID, body: BanBody) -> None:
    """Ban a user, member or not; a second ban replaces the first.

    Raises:
        ForbiddenError: the viewer is not a moderator, or the member has the same or a higher role.
        NotFoundError: the user does not exist.
    """
    await lock(session, connector_id=connector_id)
    access = await require_moderator(session, viewer=viewer, connector_id=connector_id)
    role = await _check_removable(session, access=access, viewer=viewer, user_id=user_id)
    if await session.scalar(select(User.id).where(User.id == user_id, User.is_active.is_(True))) is None:
        raise NotFoundError
    now = datetime.now(UTC)
    values = {
        "banned_by": viewer.id,
        "reason": body.reason,
        "created_at": now,
        "end_date": now + timedelta(days=body.days) if body.days else None,
    }
    await session.execute(
        insert(Ban)
        .values(connector_id=connector_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["connector_id", "user_id"], set_=values)
    )
    await _delete_membership(session, None, connector_id=connector_id, user_id=user_id)
    if role is not None:
        await _notify(session, NoticeKind.MEMBERSHIP_ENDED, access=access, user_id=user_id)
    # Also for non-members: in a public connector they can have RSVPs, reservations and purchases.
    await withdraw(session, Cause.BANNED, connector_id=connector_id, who=only(user_id))


async def lift_ban(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Lift a ban. Has no effect if the user is not banned."""
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    await session.execute(delete(Ban).where(Ban.connector_id == connector_id, Ban.user_id == user_id))


async def bans(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest) -> Page[BanOut]:
    """List bans, newest first, for moderators."""
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    rows = (await session.execute(page.select(queries.bans_of(connector_id), at=Ban.created_at, row_id=Ban.id))).all()
    return page.of(rows, lambda row: BanOut.model_validate(row, from_attributes=True))


async def _notify(session: AsyncSession, kind: NoticeKind, *, access: ConnectorAccess, user_id: UUID) -> None:
    """Notify a member of a change of their membership, without naming the actor."""
    connector_name = access.connector.name if kind is NoticeKind.MEMBERSHIP_ENDED else ""
    await notify(
        session,
        Notice(
            kind=kind, subject_kind="connector", subject_id=access.connector.id, body=connector_name, user_ids=[user_id]
        ),
    )


async def _check_removable(
    session: AsyncSession, *, access: ConnectorAccess, viewer: Viewer, user_id: UUID
) -> Role | None:
    role = await _role_of(session, connector_id=access.connector.id, user_id=user_id)
    if user_id == viewer.id:
        raise ForbiddenError("Leave the connector instead")
    if not access.can_act_on(role):
        raise ForbiddenError("Only an admin can remove or ban a moderator or an admin")
    return role


async def _role_of(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> Role | None:
    role = await session.scalar(
        select(ConnectorMember.role).where(
            ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id
        )
    )
    return Role(role) if role else None


async def _count_admins(session: AsyncSession, *, connector_id: UUID) -> int:
    count = await session.scalar(
        select(func.count()).where(ConnectorMember.connector_id == connector_id, ConnectorMember.role == Role.ADMIN)
    )
    return count or 0


async def _delete_membership(session: AsyncSession, cause: Cause | None, *, connector_id: UUID, user_id: UUID) -> None:
    """Delete a membership if it exists, update the counters, and withdraw what depends on it.

    The connector must be locked.
    """
    role = await session.scalar(
        delete(ConnectorMember)
        .where(ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id)
        .returning(ConnectorMember.role)
    )
    if role is None:
        return
    remaining = await session.scalar(select(func.count()).where(ConnectorMember.connector_id == connector_id))
    if remaining and role == Role.ADMIN and not await _count_admins(session, connector_id=connector_id):
        raise LastAdminError
    await session.execute(
        update(Connector)
        .where(Connector.id == connector_id)
        .values(member_count=Connector.member_count - 1, is_active=bool(remaining))
        .execution_options(synchronize_session=False)
    )
    if cause is not None:
        await withdraw(session, cause, connector_id=connector_id, who=only(user_id))
    if not remaining:
        await withdraw(session, Cause.CLOSED, connector_id=connector_id, who=everyone())
