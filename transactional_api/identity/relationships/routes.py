"""Routes of ``/users``: follows, blocks and mutes."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
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
from transactional_api.identity.relationships import service
from transactional_api.identity.relationships.schemas import RelatedUser
from transactional_api.identity.relationships.service import CannotTargetSelfError

router = APIRouter(prefix="/users", tags=["relationships"], route_class=TransactionalRoute)

OWN_LISTS = problem_responses(UnauthenticatedError, InvalidRequestError, InvalidCursorError)
LISTS = problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError, InvalidCursorError)
UNDOES = problem_responses(UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
WRITES = problem_responses(
    UnauthenticatedError, NotFoundError, InvalidRequestError, CannotTargetSelfError, KeyReusedError, KeyInUseError
)


@router.get("/blocks", operation_id="listBlocks", summary="List blocked users", responses=OWN_LISTS)
async def blocked(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[RelatedUser]:
    """List the users you block, newest first."""
    return await service.blocked(session, viewer=viewer, page=page)


@router.get("/mutes", operation_id="listMutes", summary="List muted users", responses=OWN_LISTS)
async def muted(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[RelatedUser]:
    """List the users you mute, newest first."""
    return await service.muted(session, viewer=viewer, page=page)


@router.get("/{user_id}/followers", operation_id="listFollowers", summary="List followers", responses=LISTS)
async def followers(user_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[RelatedUser]:
    """List the followers of a user, newest first."""
    return await service.followers(session, viewer=viewer, user_id=user_id, page=page)


@router.get("/{user_id}/following", operation_id="listFollowing", summary="List followed users", responses=LISTS)
async def following(user_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[RelatedUser]:
    """List the users that a user follows, newest first."""
    return await service.following(session, viewer=viewer, user_id=user_id, page=page)


@router.post("/{user_id}/follow", operation_id="followUser", summary="Follow a user", status_code=204, responses=WRITES)
async def follow(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Follow a user. A repetition changes nothing."""
    await service.follow(session, viewer=writer, user_id=user_id)


@router.delete(
    "/{user_id}/follow",
    operation_id="unfollowUser",
    summary="Unfollow a user",
    status_code=204,
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, CannotTargetSelfError, KeyReusedError, KeyInUseError
    ),
)
async def unfollow(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Unfollow a user."""
    await service.unfollow(session, viewer=writer, user_id=user_id)


@router.post("/{user_id}/block", operation_id="blockUser", summary="Block a user", status_code=204, responses=WRITES)
async def block(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Block a user: neither of you can find or see the other, and follows end."""
    await service.block(session, viewer=writer, user_id=user_id)


@router.delete(
    "/{user_id}/block", operation_id="unblockUser", summary="Unblock a user", status_code=204, responses=UNDOES
)
async def unblock(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Unblock a user."""
    await service.unblock(session, viewer=writer, user_id=user_id)


@router.post("/{user_id}/mute", operation_id="muteUser", summary="Mute a user", status_code=204, responses=WRITES)
async def mute(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Hide a user from your feeds and notifications. The user is not notified."""
    await service.mute(session, viewer=writer, user_id=user_id)


@router.delete("/{user_id}/mute", operation_id="unmuteUser", summary="Unmute a user", status_code=204, responses=UNDOES)
async def unmute(user_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Unmute a user."""
    await service.unmute(session, viewer=writer, user_id=user_id)
