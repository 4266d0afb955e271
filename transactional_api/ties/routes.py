"""``/users/…``: following, blocking and muting."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep
from transactional_api.ties import service
from transactional_api.ties.schemas import Neighbour
from transactional_api.ties.service import OneselfError

router = APIRouter(prefix="/users", tags=["ties"], route_class=TransactionalRoute)

OWN_LISTS = declare(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
LISTS = declare(UnauthenticatedError, NotFoundError, InvalidRequestError, InvalidCursorError)
UNDOES = declare(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
WRITES = declare(UnauthenticatedError, NotFoundError, InvalidRequestError, OneselfError, KeyReusedError, KeyInUseError)


@router.get("/blocks", operation_id="listBlocked", responses=OWN_LISTS)
async def blocked(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[Neighbour]:
    """List whom you block, the newest first."""
    return await service.blocked(session, viewer=viewer, page=page)


@router.get("/mutes", operation_id="listMuted", responses=OWN_LISTS)
async def muted(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[Neighbour]:
    """List whom you mute, the newest first."""
    return await service.muted(session, viewer=viewer, page=page)


@router.get("/{user_id}/followers", operation_id="listFollowers", responses=LISTS)
async def followers(user_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[Neighbour]:
    """List who follows a person, the newest first."""
    return await service.followers(session, viewer=viewer, user_id=user_id, page=page)


@router.get("/{user_id}/following", operation_id="listFollowing", responses=LISTS)
async def following(user_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[Neighbour]:
    """List whom a person follows, the newest first."""
    return await service.following(session, viewer=viewer, user_id=user_id, page=page)


@router.post("/{user_id}/follow", operation_id="followUser", status_code=204, responses=WRITES)
async def follow(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Follow a person. Following twice changes nothing."""
    await service.follow(session, viewer=writer, user_id=user_id)


@router.delete("/{user_id}/follow", operation_id="unfollowUser", status_code=204, responses=WRITES)
async def unfollow(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Follow a person no more."""
    await service.unfollow(session, viewer=writer, user_id=user_id)


@router.post("/{user_id}/block", operation_id="blockUser", status_code=204, responses=WRITES)
async def block(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Block a person: neither of you finds or sees the other, and neither follows the other any more."""
    await service.block(session, viewer=writer, user_id=user_id)


@router.delete("/{user_id}/block", operation_id="unblockUser", status_code=204, responses=UNDOES)
async def unblock(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Lift your block."""
    await service.unblock(session, viewer=writer, user_id=user_id)


@router.post("/{user_id}/mute", operation_id="muteUser", status_code=204, responses=WRITES)
async def mute(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Keep a person out of your feeds and notifications; they are not told."""
    await service.mute(session, viewer=writer, user_id=user_id)


@router.delete("/{user_id}/mute", operation_id="unmuteUser", status_code=204, responses=UNDOES)
async def unmute(user_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Let a person into your feeds again."""
    await service.unmute(session, viewer=writer, user_id=user_id)
