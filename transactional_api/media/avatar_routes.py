"""``/users/profile/avatar``, and ``/media/avatars`` for whoever shows one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from transactional_api.auth import WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, NotFoundError, UnauthenticatedError, declare
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.media import avatars
from transactional_api.media.avatars import NoPictureError
from transactional_api.media.routes import MediaDep
from transactional_api.media.schemas import MediaBody
from transactional_api.users.account_routes import AccountsDep
from transactional_api.users.schemas import OwnUser

router = APIRouter(route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
# Shorter than the hour that the link is good for.
_CACHED = {"Cache-Control": "public, max-age=600"}


@router.put(
    "/users/profile/avatar",
    operation_id="showAvatar",
    tags=["users"],
    responses=declare(*WRITES, NotFoundError, NoPictureError),
)
async def show(
    body: MediaBody, session: SessionDep, accounts: AccountsDep, media: MediaDep, writer: WriterDep
) -> OwnUser:
    """Make an upload of yours your picture. Anybody who has its address sees the small copy of it."""
    return await avatars.show(session, media=media, accounts=accounts, viewer=writer, media_id=body.media_id)


@router.delete("/users/profile/avatar", operation_id="hideAvatar", tags=["users"], responses=declare(*WRITES))
async def hide(session: SessionDep, accounts: AccountsDep, media: MediaDep, writer: WriterDep) -> OwnUser:
    """Have no picture. The upload stays yours."""
    return await avatars.show(session, media=media, accounts=accounts, viewer=writer, media_id=None)


@router.get(
    "/media/avatars/{media_id}",
    operation_id="getAvatar",
    tags=["media"],
    status_code=307,
    responses=declare(NotFoundError, InvalidRequestError),
    response_class=RedirectResponse,
)
async def get(media_id: UUID, session: SessionDep, accounts: AccountsDep, media: MediaDep) -> RedirectResponse:
    """Go to somebody's picture. It needs no token; as soon as it is not their picture any more, it leads nowhere."""
    url = await avatars.link(session, media=media, accounts=accounts, media_id=media_id)
    return RedirectResponse(url, headers=_CACHED)
