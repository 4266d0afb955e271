"""Uploads: accepted, processed by a job, and served by signed links that expire.

The owner sees an upload in any state. Once it is ready and passed review, other users see it if they may see an object
that shows it (``transactional_api.community.media.visibility``): an id alone gives no access.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.sandbox import UnreadableError
from transactional_api.community.media.jobs import UPLOAD_TIMEOUT, expire_upload, process_upload
from transactional_api.community.media.quota import QUOTA_RESERVED, release, reserve
from transactional_api.community.media.schemas import MediaOut, RenditionOut, UploadLink
from transactional_api.community.media.visibility import is_visible
from transactional_api.core.db.tables import Upload
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.jobs import queue
from transactional_api.core.media.objects import INCOMING
from transactional_api.core.media.processing import MediaKind, sniff
from transactional_api.core.media.stores import (
    AUTHOR_ALT_TEXT,
    COLLECTION,
    HOLD_UNTIL,
    MediaStores,
    UploadState,
    alt_text_of,
    is_under_review,
)
from transactional_api.core.moderation import SubjectKind, request_screening
from transactional_api.core.viewer import Viewer


class UnreadableUploadError(Problem):
    """The format of the file is not supported, or the file is broken."""

    status, code, title = 415, "unreadable_upload", "This file format is not supported"


class NotUploadedError(Problem):
    """No file was sent to the upload link, or a larger one than announced."""

    status, code, title = 409, "not_uploaded", "Send the file to the upload link first, with the announced size"


async def upload(session: AsyncSession, *, media: MediaStores, viewer: Viewer, data: bytes) -> MediaOut:
    """Store a file and queue its processing.

    Raises:
        UnreadableUploadError: when its format is not supported.
        QuotaExceededError: when the quota is full.
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
            viewer,
            key=key,
            size=len(data),
            state=UploadState.PENDING,
            kind=sniffed.kind,
            content_type=sniffed.content_type,
        ),
    )
    await queue.defer(session, process_upload, media_id=str(stored.id))
    return await _out(media, stored)


async def create_upload(session: AsyncSession, *, media: MediaStores, viewer: Viewer, size: int) -> UploadLink:
    """Reserve quota and sign a link for a file of ``size`` bytes, which the client sends to the object store directly.

    Raises:
        QuotaExceededError: when the quota is full.
    """
    await reserve(session, media=media, user_id=viewer.id, size=size)
    key = f"{viewer.id}/{uuid4()}"
    awaited = _document(viewer, key=key, size=size, state=UploadState.AWAITED, kind=None, content_type=None)
    stored = await media.documents.insert(COLLECTION, document=awaited | {QUOTA_RESERVED: True})
    # Releases the quota if no file arrives.
    expires_at = datetime.now(UTC) + UPLOAD_TIMEOUT
    await queue.defer(session, expire_upload, at=expires_at, media_id=str(stored.id))
    return UploadLink(
        media=await _out(media, stored), upload_url=await media.objects.upload_link(INCOMING + key, size=size)
    )


async def complete_upload(session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Check the file that the client sent, and queue its processing; idempotent.

    Raises:
        NotUploadedError: when there is no file, or it is larger than announced.
        UnreadableUploadError: when its format is not supported.
    """
    stored = await get_own(media, viewer=viewer, media_id=media_id)
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
    # Copied to its own key, because the link may still be valid and could replace the checked file.
    await media.objects.put(key, data, content_type=sniffed.content_type)
    await media.objects.remove(INCOMING + key)
    fields = {"state": UploadState.PENDING, "kind": sniffed.kind, "content_type": sniffed.content_type}
    await media.documents.change(COLLECTION, document_id=media_id, fields=fields)
    await queue.defer(session, process_upload, media_id=str(media_id))
    return await _out(media, await get_own(media, viewer=viewer, media_id=media_id))


async def get_upload(session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Return an upload.

    Raises:
        NotFoundError: when the viewer may not see it.
    """
    return await _out(media, await _visible_upload(session, media=media, viewer=viewer, media_id=media_id))


async def document_of(session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID) -> dict[str, Any]:
    """Return the document of an upload.

    Raises:
        NotFoundError: when the viewer may not see it.
    """
    return (await _visible_upload(session, media=media, viewer=viewer, media_id=media_id)).document


async def _visible_upload(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID
) -> StoredDocument:
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    if stored is None:
        raise NotFoundError
    if stored.document["owner_id"] == str(viewer.id):
        return stored
    if stored.document["state"] != UploadState.READY or is_under_review(stored):
        raise NotFoundError
    if not await is_visible(session, media.documents, viewer=viewer, stored=stored):
        raise NotFoundError
    return stored


async def delete_upload(session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID) -> None:
    """Delete an upload and its objects, and release its quota.

    Raises:
        ForbiddenError: when the viewer is not its owner.
    """
    visible = await get_upload(session, media=media, viewer=viewer, media_id=media_id)
    if visible.owner_id != viewer.id:
        raise ForbiddenError("Only the owner of an upload may delete it")
    stored = await get_own(media, viewer=viewer, media_id=media_id)
    await release(session, media=media, stored=stored)


async def process_again(session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Queue the processing of the viewer's upload again.

    Raises:
        NotUploadedError: when its file has not been sent.
    """
    stored = await get_own(media, viewer=viewer, media_id=media_id)
    if stored.document["state"] == UploadState.AWAITED:
        raise NotUploadedError
    await media.documents.change(
        COLLECTION, document_id=media_id, fields={"state": UploadState.PENDING, "reason": None}
    )
    await queue.defer(session, process_upload, media_id=str(media_id))
    return await _out(media, await get_own(media, viewer=viewer, media_id=media_id))


async def set_alt_text(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, media_id: UUID, alt_text: str | None
) -> MediaOut:
    """Set the viewer's description of their upload, which everything that shows the upload has; it is screened.

    Raises:
        NotFoundError: when the viewer has no such upload.
    """
    stored = await get_own(media, viewer=viewer, media_id=media_id)
    text = alt_text or None
    row = insert(Upload).values(id=stored.id, owner_id=viewer.id, alt_text=text)
    await session.execute(row.on_conflict_do_update(index_elements=["id"], set_={"alt_text": text}))
    await media.documents.change(COLLECTION, document_id=media_id, fields={AUTHOR_ALT_TEXT: text})
    if text is not None:
        await request_screening(session, SubjectKind.UPLOAD, media_id)
    return await _out(media, await get_own(media, viewer=viewer, media_id=media_id))


async def get_own(media: MediaStores, *, viewer: Viewer, media_id: UUID) -> StoredDocument:
    """Return an upload of the viewer.

    Raises:
        NotFoundError: when the viewer has no such upload.
    """
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    if stored is None or stored.document["owner_id"] != str(viewer.id):
        raise NotFoundError
    return stored


def _document(
    viewer: Viewer, *, key: str, size: int, state: UploadState, kind: MediaKind | None, **more: Any
) -> dict[str, Any]:
    return {
        "owner_id": str(viewer.id),
        "key": key,
        "size": size,
        "state": state,
        "reason": None,
        "kind": kind,
        "thumbnails": {},
        **more,
    }


async def _out(media: MediaStores, stored: StoredDocument) -> MediaOut:
    document = stored.document
    ready = document["state"] == UploadState.READY
    return MediaOut(
        id=stored.id,
        owner_id=UUID(document["owner_id"]),
        state=UploadState(document["state"]),
        reason=document["reason"],
        kind=document["kind"],
        content_type=document["content_type"],
        size=document["size"],
        width=document.get("width"),
        height=document.get("height"),
        duration_seconds=document.get("duration_seconds"),
        url=await media.objects.link(document["processed_key"]) if ready else None,
        thumbnails={width: await media.objects.link(key) for width, key in document["thumbnails"].items() if ready},
        alt_text=alt_text_of(document),
        blur_hash=document.get("blur_hash"),
        colors=document.get("colors", []),
        renditions=[
            RenditionOut(
                name=name,
                width=rendition["width"],
                height=rendition["height"],
                codec=rendition["codec"],
                bytes=rendition["bytes"],
                url=await media.objects.link(rendition["key"]),
            )
            for name, rendition in document.get("renditions", {}).items()
            if ready
        ],
        progress=document.get("progress"),
        hold_until=document[HOLD_UNTIL] if is_under_review(stored) else None,
        created_at=stored.created_at,
    )
