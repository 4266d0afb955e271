"""A picture of a person: an upload of theirs, under an address that lasts and that any page can show.

The address needs no token, for a browser sends none with a picture. It leads to an upload only as long as its owner
shows it as their picture, and only to the small copy.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import Viewer
from transactional_api.db.tables import Upload, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.media.processing import THUMBNAILS, MediaKind
from transactional_api.media.schemas import UploadState
from transactional_api.media.service import own
from transactional_api.media.stores import Media, waits
from transactional_api.users.accounts import Accounts
from transactional_api.users.schemas import OwnUser
from transactional_api.users.service import own_user

PATH = "/api/v1/media/avatars/{media_id}"


class NoPictureError(Problem):
    """The upload is not ready, or a video."""

    status, code, title = 409, "no_picture", "Use a picture of yours that is ready"


async def show(
    session: AsyncSession, *, media: Media, accounts: Accounts, viewer: Viewer, media_id: UUID | None
) -> OwnUser:
    """Make a picture the viewer's, or none.

    Raises:
        NotFoundError: when there is no such upload of theirs.
        NoPictureError: when it cannot be shown.
    """
    url = None
    if media_id is not None:
        stored = await own(media, viewer=viewer, media_id=media_id)
        if (stored.document["kind"], stored.document["state"]) != (MediaKind.IMAGE, UploadState.READY):
            raise NoPictureError
        url = _url(accounts, media_id)
    changed = {"avatar_url": url, "updated_at": datetime.now(UTC)}
    user = await session.scalar(update(User).where(User.id == viewer.id).values(changed).returning(User))
    assert user is not None  # noqa: S101 (the viewer is there)
    return own_user(user, accounts=accounts)


async def link(session: AsyncSession, *, media: Media, accounts: Accounts, media_id: UUID) -> str:
    """Return where the small copy of somebody's picture is, for an hour; raises ``NotFoundError`` if it is nobody's."""
    stored = await media.ready(media_id)
    if stored is None or waits(stored):
        raise NotFoundError
    shown = select(User.id).where(
        User.id == UUID(stored.document["ownerId"]),
        User.is_active.is_(True),
        User.avatar_url == _url(accounts, media_id),
        ~exists().where(Upload.id == media_id, Upload.is_active.is_(False)),
    )
    if await session.scalar(shown) is None:
        raise NotFoundError
    small = stored.document["thumbnails"].get(str(THUMBNAILS[0]))
    return await media.objects.link(small or stored.document["clean"])


def _url(accounts: Accounts, media_id: UUID) -> str:
    return accounts.settings.public_url.rstrip("/") + PATH.format(media_id=media_id)
