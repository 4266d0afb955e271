"""Avatars: an upload of a user under a permanent public URL.

The URL needs no token, since browsers send none with images. It redirects to the thumbnail of an upload while the
upload is its owner's avatar.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.media.service import get_own
from transactional_api.core.db.tables import Upload, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.media.addresses import AVATAR_PATH, avatar_url
from transactional_api.core.media.processing import THUMBNAILS, MediaKind
from transactional_api.core.media.stores import MediaStores, UploadState, is_under_review
from transactional_api.core.viewer import Viewer
from transactional_api.identity.users.accounts import UserServices
from transactional_api.identity.users.schemas import OwnUser
from transactional_api.identity.users.service import own_user


class NotAnImageError(Problem):
    """The upload is not ready, or is a video."""

    status, code, title = 409, "not_an_image", "Use an image of yours that is ready"


async def set_avatar(
    session: AsyncSession, *, media: MediaStores, accounts: UserServices, viewer: Viewer, media_id: UUID | None
) -> OwnUser:
    """Set or, with None, remove the viewer's avatar.

    Raises:
        NotFoundError: when the viewer has no such upload.
        NotAnImageError: when the upload is not a processed image.
    """
    url = None
    if media_id is not None:
        stored = await get_own(media, viewer=viewer, media_id=media_id)
        if (stored.document["kind"], stored.document["state"]) != (MediaKind.IMAGE, UploadState.READY):
            raise NotAnImageError
        url = avatar_url(accounts.settings.public_url, media_id)
    changed = {"avatar_url": url, "updated_at": datetime.now(UTC)}
    user = await session.scalar(update(User).where(User.id == viewer.id).values(changed).returning(User))
    assert user is not None  # noqa: S101 (the viewer exists)
    return own_user(user, accounts=accounts)


async def link(session: AsyncSession, *, media: MediaStores, media_id: UUID) -> str:
    """Return a signed link to the thumbnail of an avatar, valid for an hour.

    Raises:
        NotFoundError: when the upload is not an avatar.
    """
    stored = await media.ready(media_id)
    if stored is None or is_under_review(stored):
        raise NotFoundError
    owner = select(User.id).where(
        User.id == UUID(stored.document["owner_id"]),
        User.is_active.is_(True),
        User.avatar_url.endswith(AVATAR_PATH.format(media_id=media_id)),
        ~exists().where(Upload.id == media_id, Upload.is_active.is_(False)),
    )
    if await session.scalar(owner) is None:
        raise NotFoundError
    thumbnail = stored.document["thumbnails"].get(str(THUMBNAILS[0]))
    return await media.objects.link(thumbnail or stored.document["processed_key"])
