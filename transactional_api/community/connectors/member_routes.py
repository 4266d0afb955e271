"""``/connectors``: membership, join requests, invitations and bans."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.community.connectors import admission, members
from transactional_api.community.connectors.admission import InvitationRequiredError, UserBannedError
from transactional_api.community.connectors.members import LastAdminError
from transactional_api.community.connectors.schemas import (
    BanBody,
    BanOut,
    DecisionBody,
    InvitationBody,
    InvitationOut,
    JoinRequestOut,
    MemberOut,
    Membership,
    ReceivedInvitation,
    RoleBody,
)
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep

router = APIRouter(prefix="/connectors", tags=["connectors"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
LISTS = problem_responses(*READS, ForbiddenError, InvalidCursorError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
MODERATION = problem_responses(*WRITES, ForbiddenError)


@router.get(
    "/invitations",
    operation_id="listReceivedInvitations",
    summary="List received invitations",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError),
)
async def received_invitations(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[ReceivedInvitation]:
    """List the invitations that you received, newest first. Join the connector to accept one."""
    return await admission.received_invitations(session, viewer=viewer, page=page)


@router.delete(
    "/invitations/{connector_id}",
    operation_id="declineInvitation",
    summary="Decline invitation",
    status_code=204,
    responses=problem_responses(*WRITES),
)
async def decline_invitation(connector_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Decline an invitation. Has no effect if it does not exist."""
    await admission.decline_invitation(session, viewer=writer, connector_id=connector_id)


@router.post(
    "/{connector_id}/join",
    operation_id="joinConnector",
    summary="Join connector",
    responses=problem_responses(*WRITES, InvitationRequiredError),
)
async def join(connector_id: UUID, session: SessionDep, writer: WritingUser) -> Membership:
    """Join a connector, or request to join if it requires approval. Idempotent."""
    return await admission.join(session, viewer=writer, connector_id=connector_id)


@router.delete(
    "/{connector_id}/leave",
    operation_id="leaveConnector",
    summary="Leave connector",
    status_code=204,
    responses=problem_responses(*WRITES, LastAdminError),
)
async def leave(connector_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Leave a connector, or withdraw your join request.

    The last admin cannot leave while other members remain; the last member closes the connector.
    """
    await members.leave(session, viewer=writer, connector_id=connector_id)


@router.get(
    "/{connector_id}/members",
    operation_id="listMembers",
    summary="List members",
    responses=problem_responses(*READS, InvalidCursorError),
)
async def list_members(connector_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[MemberOut]:
    """List the members of a connector, ordered by the time of joining."""
    return await members.members(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put(
    "/{connector_id}/members/{user_id}",
    operation_id="setMemberRole",
    summary="Set member role",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError, LastAdminError),
)
async def set_role(connector_id: UUID, user_id: UUID, body: RoleBody, session: SessionDep, writer: WritingUser) -> None:
    """Change the role of a member. Requires an admin."""
    await members.set_role(session, viewer=writer, connector_id=connector_id, user_id=user_id, role=body.role)


@router.delete(
    "/{connector_id}/members/{user_id}",
    operation_id="removeMember",
    summary="Remove member",
    status_code=204,
    responses=MODERATION,
)
async def remove(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Remove a member. Admins can remove anyone, moderators only members without a role."""
    await members.remove(session, viewer=writer, connector_id=connector_id, user_id=user_id)


@router.get("/{connector_id}/requests", operation_id="listJoinRequests", summary="List join requests", responses=LISTS)
async def list_requests(
    connector_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep
) -> Page[JoinRequestOut]:
    """List join requests, oldest first. Requires a moderator."""
    return await admission.requests(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put(
    "/{connector_id}/requests/{user_id}",
    operation_id="decideJoinRequest",
    summary="Decide join request",
    status_code=204,
    responses=MODERATION,
)
async def decide(
    connector_id: UUID, user_id: UUID, body: DecisionBody, session: SessionDep, writer: WritingUser
) -> None:
    """Accept or decline a join request. Requires a moderator."""
    await admission.decide(session, viewer=writer, connector_id=connector_id, user_id=user_id, decision=body.decision)


@router.get(
    "/{connector_id}/invitations", operation_id="listInvitations", summary="List pending invitations", responses=LISTS
)
async def list_invitations(
    connector_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep
) -> Page[InvitationOut]:
    """List pending invitations, newest first. Requires a moderator."""
    return await admission.invitations(session, viewer=viewer, connector_id=connector_id, page=page)


@router.post(
    "/{connector_id}/invitations",
    operation_id="inviteUser",
    summary="Invite user",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError, UserBannedError),
)
async def invite(connector_id: UUID, body: InvitationBody, session: SessionDep, writer: WritingUser) -> None:
    """Invite a user. Requires a moderator."""
    await admission.invite(session, viewer=writer, connector_id=connector_id, user_id=body.user_id)


@router.delete(
    "/{connector_id}/invitations/{user_id}",
    operation_id="withdrawInvitation",
    summary="Withdraw invitation",
    status_code=204,
    responses=MODERATION,
)
async def withdraw_invitation(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Withdraw an invitation. Requires a moderator."""
    await admission.withdraw_invitation(session, viewer=writer, connector_id=connector_id, user_id=user_id)


@router.get("/{connector_id}/bans", operation_id="listBans", summary="List bans", responses=LISTS)
async def list_bans(connector_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[BanOut]:
    """List bans, newest first. Requires a moderator."""
    return await members.bans(session, viewer=viewer, connector_id=connector_id, page=page)


@router.put(
    "/{connector_id}/bans/{user_id}", operation_id="banUser", summary="Ban user", status_code=204, responses=MODERATION
)
async def ban(connector_id: UUID, user_id: UUID, body: BanBody, session: SessionDep, writer: WritingUser) -> None:
    """Ban a user, temporarily or permanently, and remove them if they are a member.

    Banned users cannot see the connector.
    """
    await members.ban(session, viewer=writer, connector_id=connector_id, user_id=user_id, body=body)


@router.delete(
    "/{connector_id}/bans/{user_id}", operation_id="liftBan", summary="Lift ban", status_code=204, responses=MODERATION
)
async def lift_ban(connector_id: UUID, user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Lift a ban. Requires a moderator."""
    await members.lift_ban(session, viewer=writer, connector_id=connector_id, user_id=user_id)
