"""``/users/profile/avatar`` sets the avatar, and the public ``/media/avatars`` redirects to it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from transactional_api.community.media import avatars
from transactional_api.community.media.avatars import NotAnImageError
from transactional_api.community.media.routes import MediaDep
from transactional_api.community.media.schemas import MediaReference
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, problem_responses
from transactional_api.core.http.auth import WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.query_parameters import ignores_unknown_parameters
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.schemas import OwnUser

router = APIRouter(route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
# Seconds; less than the lifetime of the signed link.
_CACHED = {"Cache-Control": "public, max-age=600"}


@router.put(
    "/users/profile/avatar",
    operation_id="setAvatar",
    summary="Set the avatar",
    tags=["users"],
    responses=problem_responses(*WRITES, NotFoundError, NotAnImageError),
)
async def set_avatar(
    body: MediaReference, session: SessionDep, accounts: AccountsDep, media: MediaDep, writer: WritingUser
) -> OwnUser:
    """Set one of your uploads as your avatar. Its thumbnail is public to everybody who knows the URL."""
    return await avatars.set_avatar(session, media=media, accounts=accounts, viewer=writer, media_id=body.media_id)


@router.delete(
    "/users/profile/avatar",
    operation_id="removeAvatar",
    summary="Remove the avatar",
    tags=["users"],
    responses=problem_responses(*WRITES),
)
async def remove_avatar(session: SessionDep, accounts: AccountsDep, media: MediaDep, writer: WritingUser) -> OwnUser:
    """Remove your avatar. The upload is not deleted."""
    return await avatars.set_avatar(session, media=media, accounts=accounts, viewer=writer, media_id=None)


@router.get(
    "/media/avatars/{media_id}",
    operation_id="getAvatar",
    summary="Get an avatar",
    tags=["media"],
    status_code=307,
    responses=problem_responses(NotFoundError, InvalidRequestError),
    response_class=RedirectResponse,
)
@ignores_unknown_parameters
async def get_avatar(media_id: UUID, session: SessionDep, media: MediaDep) -> RedirectResponse:
    """Redirect to a user's current avatar, without a token; 404 once it is replaced."""
    url = await avatars.link(session, media=media, media_id=media_id)
    return RedirectResponse(url, headers=_CACHED)
