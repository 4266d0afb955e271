"""Admission to a connector: join policy, join requests and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.connectors import queries
from transactional_api.community.connectors.access import lock, require_moderator
from transactional_api.community.connectors.schemas import (
    MODERATOR_ROLES,
    Decision,
    InvitationOut,
    JoinPolicy,
    JoinRequestOut,
    JoinStatus,
    Membership,
    ReceivedInvitation,
    Role,
)
from transactional_api.core.db.tables import Connector, ConnectorMember, Invitation, JoinRequest, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users import queries as users


class InvitationRequiredError(Problem):
    """The connector accepts only invited users."""

    status, code, title = 403, "invitation_required", "This connector can only be joined by invitation"


class UserBannedError(Problem):
    """The user is banned; lift the ban first."""

    status, code, title = 409, "user_banned", "This user is banned from the connector"


async def join(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Membership:
    """Join a connector, or create a join request if it requires approval. Idempotent.

    Raises:
        NotFoundError: the viewer neither sees the connector nor is invited to it.
        InvitationRequiredError: the connector requires an invitation.
    """
    await lock(session, connector_id=connector_id)
    row = (await session.execute(queries.to_join(viewer, connector_id=connector_id))).one_or_none()
    if row is None:
        raise NotFoundError
    policy, member, invitation_id = row
    if member is None and invitation_id is None and policy == JoinPolicy.APPROVAL:
        return await _request_to_join(session, viewer=viewer, connector_id=connector_id)
    if member is None and invitation_id is None and policy == JoinPolicy.INVITATION:
        raise InvitationRequiredError
    member = member or await _admit(session, connector_id=connector_id, user_id=viewer.id)
    return Membership(
        connector_id=connector_id,
        user_id=viewer.id,
        status=JoinStatus.MEMBER,
        role=Role(member.role),
        joined_at=member.joined_at,
    )


async def requests(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[JoinRequestOut]:
    """List join requests, oldest first, for moderators."""
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    statement = page.select(
        queries.requests_of(viewer, connector_id=connector_id),
        at=JoinRequest.created_at,
        row_id=JoinRequest.id,
        newest_first=False,
    )
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: JoinRequestOut.model_validate(row, from_attributes=True))


async def decide(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID, decision: Decision
) -> None:
    """Accept or decline a join request, and notify the requester.

    Raises:
        NotFoundError: the user has no pending request.
    """
    await lock(session, connector_id=connector_id)
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    request_id = await session.scalar(
        delete(JoinRequest)
        .where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == user_id)
        .returning(JoinRequest.id)
    )
    if request_id is None:
        raise NotFoundError
    if decision is Decision.ACCEPT:
        await _admit(session, connector_id=connector_id, user_id=user_id)
    await notify(
        session,
        Notice(
            kind=NoticeKind.JOIN_ACCEPTED if decision is Decision.ACCEPT else NoticeKind.JOIN_DECLINED,
            actor_id=viewer.id if decision is Decision.ACCEPT else None,
            subject_kind="connector",
            subject_id=connector_id,
            user_ids=[user_id],
        ),
    )


async def invite(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Invite a user. Has no effect for members and users who are already invited.

    Raises:
        NotFoundError: the viewer cannot see the user.
        UserBannedError: the user is banned.
    """
    await lock(session, connector_id=connector_id)
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    if await session.scalar(users.visible_to(viewer).where(User.id == user_id)) is None:
        raise NotFoundError
    member = select(ConnectorMember.id).where(
        ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id
    )
    if await session.scalar(select(queries.is_banned(user_id)).where(Connector.id == connector_id)):
        raise UserBannedError
    if await session.scalar(member) is not None:
        return
    invitation_id = await session.scalar(
        insert(Invitation)
        .values(connector_id=connector_id, user_id=user_id, invited_by=viewer.id)
        .on_conflict_do_nothing()
        .returning(Invitation.id)
    )
    if invitation_id is not None:
        await notify(
            session,
            Notice(
                id=invitation_id,
                kind=NoticeKind.CONNECTOR_INVITED,
                actor_id=viewer.id,
                subject_kind="connector",
                subject_id=connector_id,
                user_ids=[user_id],
            ),
        )


async def withdraw_invitation(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Withdraw an invitation. Has no effect if it does not exist."""
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    await _delete_invitation(session, connector_id=connector_id, user_id=user_id)


async def decline_invitation(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Decline an invitation. Has no effect if it does not exist."""
    await _delete_invitation(session, connector_id=connector_id, user_id=viewer.id)


async def invitations(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[InvitationOut]:
    """List pending invitations, newest first, for moderators."""
    await require_moderator(session, viewer=viewer, connector_id=connector_id)
    statement = queries.invitations_of(viewer, connector_id=connector_id)
    rows = (await session.execute(page.select(statement, at=Invitation.created_at, row_id=Invitation.id))).all()
    return page.of(rows, lambda row: InvitationOut.model_validate(row, from_attributes=True))


async def received_invitations(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ReceivedInvitation]:
    """List the invitations that the viewer received, newest first."""
    statement = page.select(queries.invitations_to(viewer), at=Invitation.created_at, row_id=Invitation.id)
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: ReceivedInvitation.model_validate(row, from_attributes=True))


async def _request_to_join(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Membership:
    request_id = await session.scalar(
        insert(JoinRequest)
        .values(connector_id=connector_id, user_id=viewer.id)
        .on_conflict_do_nothing()
        .returning(JoinRequest.id)
    )
    if request_id is not None:
        moderators = select(ConnectorMember.user_id).where(
            ConnectorMember.connector_id == connector_id, ConnectorMember.role.in_(MODERATOR_ROLES)
        )
        await notify(
            session,
            Notice(
                id=request_id,
                kind=NoticeKind.JOIN_REQUESTED,
                actor_id=viewer.id,
                subject_kind="connector",
                subject_id=connector_id,
                user_ids=list(await session.scalars(moderators)),
            ),
        )
    return Membership(
        connector_id=connector_id, user_id=viewer.id, status=JoinStatus.REQUESTED, role=None, joined_at=None
    )


async def _admit(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> Any:
    """Create a membership and count it once; the connector must be locked."""
    membership = await session.scalar(
        insert(ConnectorMember)
        .values(connector_id=connector_id, user_id=user_id, role=Role.MEMBER)
        .on_conflict_do_nothing()
        .returning(ConnectorMember)
    )
    if membership is not None:
        await session.execute(
            update(Connector)
            .where(Connector.id == connector_id)
            .values(member_count=Connector.member_count + 1)
            .execution_options(synchronize_session=False)
        )
    await _delete_invitation(session, connector_id=connector_id, user_id=user_id)
    await session.execute(
        delete(JoinRequest).where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == user_id)
    )
    return membership


async def _delete_invitation(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    await session.execute(
        delete(Invitation).where(Invitation.connector_id == connector_id, Invitation.user_id == user_id)
    )
