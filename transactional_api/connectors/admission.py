"""Ways into a connector: its policy, requests to join, and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.connectors import queries
from transactional_api.connectors.access import access_to_tend, lock
from transactional_api.connectors.schemas import (
    TENDS,
    Decision,
    InvitationOut,
    JoinPolicy,
    JoinRequestOut,
    Membership,
    OwnInvitation,
    Role,
    Standing,
)
from transactional_api.db.tables import Connector, ConnectorMember, Invitation, JoinRequest, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest
from transactional_api.users import queries as users


class InvitationNeededError(Problem):
    """Nobody joins this connector without an invitation."""

    status, code, title = 403, "invitation_needed", "This connector is joined by invitation"


class BannedError(Problem):
    """The person is banned; lift the ban first."""

    status, code, title = 409, "banned", "This person is banned from the connector"


async def join(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Membership:
    """Join a connector, or ask to where it wants to approve; who is a member or has asked stays so.

    Raises:
        NotFoundError: when the viewer neither sees it nor is invited.
        InvitationNeededError: when they see it and are not invited.
    """
    await lock(session, connector_id=connector_id)
    row = (await session.execute(queries.to_join(viewer, connector_id=connector_id))).one_or_none()
    if row is None:
        raise NotFoundError
    policy, member, invitation_id = row
    if member is None and invitation_id is None and policy == JoinPolicy.APPROVAL:
        return await _ask(session, viewer=viewer, connector_id=connector_id)
    if member is None and invitation_id is None and policy == JoinPolicy.INVITATION:
        raise InvitationNeededError
    member = member or await _admit(session, connector_id=connector_id, user_id=viewer.id)
    return Membership(
        connector_id=connector_id,
        user_id=viewer.id,
        status=Standing.MEMBER,
        role=Role(member.role),
        joined_at=member.joined_at,
    )


async def requests(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[JoinRequestOut]:
    """List who asks to join, the first to ask first, for who tends the connector."""
    await access_to_tend(session, viewer=viewer, connector_id=connector_id)
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
    """Answer a request to join; who asked is told when they are in.

    Raises:
        NotFoundError: when nobody of this id asks.
    """
    await lock(session, connector_id=connector_id)
    found = await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    asked = await session.scalar(
        delete(JoinRequest)
        .where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == user_id)
        .returning(JoinRequest.id)
    )
    if asked is None:
        raise NotFoundError
    if decision is Decision.ACCEPT:
        await _admit(session, connector_id=connector_id, user_id=user_id)
        await notify(
            session,
            Notice(
                kind=NoticeKind.JOIN_ACCEPTED,
                actor_id=viewer.id,
                subject_kind="connector",
                subject_id=connector_id,
                title="You are in",
                body=found.connector.name,
                user_ids=[user_id],
            ),
        )


async def invite(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Invite a person; twice, or a member, changes nothing.

    Raises:
        NotFoundError: when the viewer may not see the person.
        BannedError: when the person is banned.
    """
    await lock(session, connector_id=connector_id)
    found = await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    if await session.scalar(users.visible_to(viewer).where(User.id == user_id)) is None:
        raise NotFoundError
    member = select(ConnectorMember.id).where(
        ConnectorMember.connector_id == connector_id, ConnectorMember.user_id == user_id
    )
    if await session.scalar(select(queries.is_banned(user_id)).where(Connector.id == connector_id)):
        raise BannedError
    if await session.scalar(member) is not None:
        return
    invited = await session.scalar(
        insert(Invitation)
        .values(connector_id=connector_id, user_id=user_id, invited_by=viewer.id)
        .on_conflict_do_nothing()
        .returning(Invitation.id)
    )
    if invited is not None:
        await notify(
            session,
            Notice(
                id=invited,
                kind=NoticeKind.CONNECTOR_INVITED,
                actor_id=viewer.id,
                subject_kind="connector",
                subject_id=connector_id,
                title="You are invited to join",
                body=found.connector.name,
                user_ids=[user_id],
            ),
        )


async def withdraw_invitation(session: AsyncSession, *, viewer: Viewer, connector_id: UUID, user_id: UUID) -> None:
    """Take an invitation back; one that is not there changes nothing."""
    await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    await _forget_invitation(session, connector_id=connector_id, user_id=user_id)


async def decline_invitation(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> None:
    """Say no to an invitation; one that is not there changes nothing."""
    await _forget_invitation(session, connector_id=connector_id, user_id=viewer.id)


async def invitations(
    session: AsyncSession, *, viewer: Viewer, connector_id: UUID, page: PageRequest
) -> Page[InvitationOut]:
    """List who is invited and has not answered, the latest first, for who tends the connector."""
    await access_to_tend(session, viewer=viewer, connector_id=connector_id)
    statement = queries.invitations_of(viewer, connector_id=connector_id)
    rows = (await session.execute(page.select(statement, at=Invitation.created_at, row_id=Invitation.id))).all()
    return page.of(rows, lambda row: InvitationOut.model_validate(row, from_attributes=True))


async def own_invitations(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[OwnInvitation]:
    """List the connectors that the viewer is invited to, the latest first."""
    statement = page.select(queries.invitations_to(viewer), at=Invitation.created_at, row_id=Invitation.id)
    rows = (await session.execute(statement)).all()
    return page.of(rows, lambda row: OwnInvitation.model_validate(row, from_attributes=True))


async def _ask(session: AsyncSession, *, viewer: Viewer, connector_id: UUID) -> Membership:
    asked = await session.scalar(
        insert(JoinRequest)
        .values(connector_id=connector_id, user_id=viewer.id)
        .on_conflict_do_nothing()
        .returning(JoinRequest.id)
    )
    if asked is not None:
        who = select(ConnectorMember.user_id).where(
            ConnectorMember.connector_id == connector_id, ConnectorMember.role.in_(TENDS)
        )
        await notify(
            session,
            Notice(
                id=asked,
                kind=NoticeKind.JOIN_REQUESTED,
                actor_id=viewer.id,
                subject_kind="connector",
                subject_id=connector_id,
                title="A neighbour asks to join",
                user_ids=list(await session.scalars(who)),
            ),
        )
    return Membership(
        connector_id=connector_id, user_id=viewer.id, status=Standing.REQUESTED, role=None, joined_at=None
    )


async def _admit(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> Any:
    """Make a person a member, and count them once; the connector is locked."""
    joined = await session.scalar(
        insert(ConnectorMember)
        .values(connector_id=connector_id, user_id=user_id, role=Role.MEMBER)
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
    await _forget_invitation(session, connector_id=connector_id, user_id=user_id)
    await session.execute(
        delete(JoinRequest).where(JoinRequest.connector_id == connector_id, JoinRequest.user_id == user_id)
    )
    return joined


async def _forget_invitation(session: AsyncSession, *, connector_id: UUID, user_id: UUID) -> None:
    await session.execute(
        delete(Invitation).where(Invitation.connector_id == connector_id, Invitation.user_id == user_id)
    )
