"""``/connectors``: joining and leaving, requests and invitations, roles and bans."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.connectors import admission, members
from transactional_api.connectors.admission import BannedError, InvitationNeededError
from transactional_api.connectors.members import LastAdminError
from transactional_api.connectors.schemas import (
    BanBody,
    BanOut,
    DecisionBody,
    InvitationBody,
    InvitationOut,
    JoinRequestOut,
    MemberOut,
    Membership,
    OwnInvitation,
    RoleBody,
)
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
LISTS = declare(*READS, ForbiddenError, InvalidCursorError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
TENDING = declare(*WRITES, ForbiddenError)


@router.get(
    "/invitations",
    operation_id="listOwnInvitations",
    responses=declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def own_invitations(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[OwnInvitation]:
    """List the connectors that you are invited to, the latest first. Join one to accept."""
    return await admission.own_invitations(session, viewer=viewer, page=page)


@router.delete(
    "/invitations/{connector_id}", operation_id="declineInvitation", status_code=204, responses=declare(*WRITES)
)
async def decline_invitation(connector_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Say no to an invitation."""
    await admission.decline_invitation(session, viewer=writer, connector_id=connector_id)


@router.post("/{connector_id}/join", operation_id="joinConnector", responses=declare(*WRITES, InvitationNeededError))
async def join(connector_id: UUID, session: SessionDep, writer: WriterDep) -> Membership:
    """Join a connector, or ask to where its admins want to approve. Twice changes nothing."""
    return await admission.join(session, viewer=writer, connector_id=connector_id)


@router.delete(
    "/{connector_id}/leave", operation_id="leaveConnector", status_code=204, responses=declare(*WRITES, LastAdminError)
)
async def leave(connector_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Leave a connector, or take back your request. The last admin stays while others do; the last one closes it."""
    await members.leave(session, viewer=writer, connector_id=connector_id)


@router.get("/{connector_id}/members", operation_id="listMembers", responses=declare(*READS, InvalidCursorError))
async def list_members(connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[MemberOut]:
    """List a connector's members, the first to join first."""
    return await members.members(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put(
    "/{connector_id}/members/{user_id}",
    operation_id="setMemberRole",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError, LastAdminError),
)
async def set_role(connector_id: UUID, user_id: UUID, body: RoleBody, session: SessionDep, writer: WriterDep) -> None:
    """Give a member a role; for admins."""
    await members.set_role(session, viewer=writer, connector_id=connector_id, user_id=user_id, role=body.role)


@router.delete("/{connector_id}/members/{user_id}", operation_id="removeMember", status_code=204, responses=TENDING)
async def remove(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Put a member out; admins anybody else, moderators members."""
    await members.remove(session, viewer=writer, connector_id=connector_id, user_id=user_id)


@router.get("/{connector_id}/requests", operation_id="listJoinRequests", responses=LISTS)
async def list_requests(
    connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep
) -> Page[JoinRequestOut]:
    """List who asks to join, the first to ask first; for moderators and admins."""
    return await admission.requests(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put("/{connector_id}/requests/{user_id}", operation_id="decideJoinRequest", status_code=204, responses=TENDING)
async def decide(connector_id: UUID, user_id: UUID, body: DecisionBody, session: SessionDep, writer: WriterDep) -> None:
    """Accept or decline a request to join; for moderators and admins."""
    await admission.decide(session, viewer=writer, connector_id=connector_id, user_id=user_id, decision=body.decision)


@router.get("/{connector_id}/invitations", operation_id="listInvitations", responses=LISTS)
async def list_invitations(
    connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep
) -> Page[InvitationOut]:
    """List who is invited and has not answered, the latest first; for moderators and admins."""
    return await admission.invitations(session, viewer=viewer, connector_id=connector_id, page=page)


@router.post(
    "/{connector_id}/invitations",
    operation_id="invite",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError, BannedError),
)
async def invite(connector_id: UUID, body: InvitationBody, session: SessionDep, writer: WriterDep) -> None:
    """Invite a neighbour; for moderators and admins."""
    await admission.invite(session, viewer=writer, connector_id=connector_id, user_id=body.user_id)


@router.delete(
    "/{connector_id}/invitations/{user_id}", operation_id="withdrawInvitation", status_code=204, responses=TENDING
)
async def withdraw_invitation(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Take an invitation back; for moderators and admins."""
    await admission.withdraw_invitation(session, viewer=writer, connector_id=connector_id, user_id=user_id)


@router.get("/{connector_id}/bans", operation_id="listBans", responses=LISTS)
async def list_bans(connector_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[BanOut]:
    """List who is banned, the latest first; for moderators and admins."""
    return await members.bans(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put("/{connector_id}/bans/{user_id}", operation_id="ban", status_code=204, responses=TENDING)
async def ban(connector_id: UUID, user_id: UUID, body: BanBody, session: SessionDep, writer: WriterDep) -> None:
    """Keep a person out, for days or for good. They no longer see the connector."""
    await members.ban(session, viewer=writer, connector_id=connector_id, user_id=user_id, body=body)


@router.delete("/{connector_id}/bans/{user_id}", operation_id="liftBan", status_code=204, responses=TENDING)
async def lift_ban(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Let a banned person in again."""
    await members.lift_ban(session, viewer=writer, connector_id=connector_id, user_id=user_id)
