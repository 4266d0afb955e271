"""Uploads: taken in, processed by a job, shown by links that expire.

Who uploaded sees an upload in any state. Once it is ready, everybody who is logged in and has its id does, but for
blocks between the two, and unless a model has yet to look at it or moderation keeps it back: an id cannot be guessed,
and is given away by what the upload is put into.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.sandbox import UnreadableError
from transactional_api.auth import Viewer
from transactional_api.db.tables import Upload, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.jobs import queue
from transactional_api.media.documents import StoredDocument
from transactional_api.media.jobs import AWAITED_FOR, forget_upload, process_upload
from transactional_api.media.objects import INCOMING
from transactional_api.media.processing import MediaKind, sniff
from transactional_api.media.room import HAS_ROOM, give_back, reserve
from transactional_api.media.schemas import MediaOut, RenditionOut, UploadOut, UploadState
from transactional_api.media.stores import COLLECTION, HELD_UNTIL, Media, waits
from transactional_api.users import queries as users


class UnreadableUploadError(Problem):
    """The file is none of those that we take."""

    status, code, title = 415, "unreadable_upload", "This file cannot be taken"


class NotUploadedError(Problem):
    """Nothing was sent to the upload link, or more than was said."""

    status, code, title = 409, "not_uploaded", "Send the file to the upload link first, no larger than you said"


async def upload(session: AsyncSession, *, media: Media, viewer: Viewer, data: bytes) -> MediaOut:
    """Take a file in and queue its processing.

    Raises:
        UnreadableUploadError: when its content is none of those that we take.
        QuotaExceededError: when there is no room for it.
    """
    try:
        sniffed = sniff(data)
    except UnreadableError as error:
        raise UnreadableUploadError(str(error)) from None
    await reserve(session, media=media, user_id=viewer.id, size=len(data))
    key = f"{viewer.id}/{uuid4()}"
    await media.objects.put(key, data, content_type=sniffed.content_type)
    stored = await media.documents.insert(
        COLLECTION,
        document=_document(
            viewer, key=key, size=len(data), state=UploadState.PENDING, kind=sniffed.kind, type=sniffed.content_type
        ),
    )
    await queue.defer(session, process_upload, media_id=str(stored.id))
    return await _out(media, stored)


async def begin_upload(session: AsyncSession, *, media: Media, viewer: Viewer, size: int) -> UploadOut:
    """Make room for a file that the client sends to the object store itself, of this size and within 15 minutes.

    Raises:
        QuotaExceededError: when there is no room for it.
    """
    await reserve(session, media=media, user_id=viewer.id, size=size)
    key = f"{viewer.id}/{uuid4()}"
    awaited = _document(viewer, key=key, size=size, state=UploadState.AWAITED, kind=None, type=None)
    stored = await media.documents.insert(COLLECTION, document=awaited | {HAS_ROOM: True})
    # The room is given back if nothing comes.
    later = datetime.now(UTC) + AWAITED_FOR
    await queue.defer(session, forget_upload, at=later, media_id=str(stored.id))
    return UploadOut(
        media=await _out(media, stored), upload_url=await media.objects.upload_link(INCOMING + key, size=size)
    )


async def complete_upload(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Say that the file is there: it is looked at, and its processing queued. Twice changes nothing.

    Raises:
        NotUploadedError: when it is not, or is larger than was said.
        UnreadableUploadError: when its content is none of those that we take.
    """
    stored = await own(media, viewer=viewer, media_id=media_id)
    if stored.document["state"] != UploadState.AWAITED:
        return await _out(media, stored)
    key = stored.document["key"]
    try:
        data = await media.objects.get(INCOMING + key, at_most=stored.document["size"])
        if not data:
            raise NotUploadedError
        sniffed = sniff(data)
    except UnreadableError as error:
        raise UnreadableUploadError(str(error)) from None
    except ValueError:
        raise NotUploadedError from None
    # The link may still be good: what was checked is what is processed, wherever else the link writes.
    await media.objects.put(key, data, content_type=sniffed.content_type)
    await media.objects.remove(INCOMING + key)
    fields = {"state": UploadState.PENDING, "kind": sniffed.kind, "type": sniffed.content_type}
    await media.documents.change(COLLECTION, document_id=media_id, fields=fields)
    await queue.defer(session, process_upload, media_id=str(media_id))
    return await _out(media, await own(media, viewer=viewer, media_id=media_id))


async def get(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Return an upload; raises ``NotFoundError`` when the viewer may not see it."""
    return await _out(media, await _seen_by(session, media=media, viewer=viewer, media_id=media_id))


async def document_of(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> dict[str, Any]:
    """Return the document of an upload; raises ``NotFoundError`` when the viewer may not see it."""
    return (await _seen_by(session, media=media, viewer=viewer, media_id=media_id)).document


async def _seen_by(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> StoredDocument:
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    if stored is None:
        raise NotFoundError
    owner_id = UUID(stored.document["ownerId"])
    if owner_id != viewer.id:
        kept_back = exists().where(Upload.id == media_id, Upload.is_active.is_(False))
        seen = await session.scalar(users.visible_to(viewer).where(User.id == owner_id, ~kept_back))
        if seen is None or stored.document["state"] != UploadState.READY or waits(stored):
            raise NotFoundError
    return stored


async def remove(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> None:
    """Delete an upload, its objects, and the room that it took.

    Raises:
        ForbiddenError: for anyone but its owner.
    """
    found = await get(session, media=media, viewer=viewer, media_id=media_id)
    if found.owner_id != viewer.id:
        raise ForbiddenError("Only who uploaded it may delete an upload")
    stored = await own(media, viewer=viewer, media_id=media_id)
    await give_back(session, media=media, stored=stored)


async def process_again(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Queue the processing of one's own upload once more.

    Raises:
        NotUploadedError: when the file is not there yet.
    """
    stored = await own(media, viewer=viewer, media_id=media_id)
    if stored.document["state"] == UploadState.AWAITED:
        raise NotUploadedError
    await media.documents.change(
        COLLECTION, document_id=media_id, fields={"state": UploadState.PENDING, "reason": None}
    )
    await queue.defer(session, process_upload, media_id=str(media_id))
    return await _out(media, await own(media, viewer=viewer, media_id=media_id))


async def own(media: Media, *, viewer: Viewer, media_id: UUID) -> StoredDocument:
    """Return an upload of the viewer's; raises ``NotFoundError`` for any other."""
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    if stored is None or stored.document["ownerId"] != str(viewer.id):
        raise NotFoundError
    return stored


def _document(
    viewer: Viewer, *, key: str, size: int, state: UploadState, kind: MediaKind | None, **more: Any
) -> dict[str, Any]:
    return {
        "ownerId": str(viewer.id),
        "key": key,
        "size": size,
        "state": state,
        "reason": None,
        "kind": kind,
        "thumbnails": {},
        **more,
    }


async def _out(media: Media, stored: StoredDocument) -> MediaOut:
    document = stored.document
    ready = document["state"] == UploadState.READY
    return MediaOut(
        id=stored.id,
        owner_id=UUID(document["ownerId"]),
        state=UploadState(document["state"]),
        reason=document["reason"],
        kind=document["kind"],
        content_type=document["type"],
        size=document["size"],
        width=document.get("width"),
        height=document.get("height"),
        seconds=document.get("seconds"),
        url=await media.objects.link(document["clean"]) if ready else None,
        thumbnails={width: await media.objects.link(key) for width, key in document["thumbnails"].items() if ready},
        alt_text=document.get("alt_text"),
        blur_hash=document.get("blur_hash"),
        colours=document.get("colours", []),
        renditions=[
            RenditionOut(
                name=name,
                width=one["width"],
                height=one["height"],
                codec=one["codec"],
                bytes=one["bytes"],
                url=await media.objects.link(one["key"]),
            )
            for name, one in document.get("renditions", {}).items()
            if ready
        ],
        progress=document.get("progress"),
        held_until=document[HELD_UNTIL] if waits(stored) else None,
        created_at=stored.created_at,
    )
