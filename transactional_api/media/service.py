"""Uploads: taken in, processed by a job, shown by links that expire.

Who uploaded sees an upload in any state. Once it is ready, everybody who is logged in and has its id does, but for
blocks between the two, and unless a model has yet to look at it or moderation keeps it back: an id cannot be guessed,
and is given away by what the upload is put into.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, exists, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.auth import Viewer
from transactional_api.db.tables import MediaUsage, Upload, User
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.jobs import queue
from transactional_api.media import seeing
from transactional_api.media.documents import StoredDocument
from transactional_api.media.processing import (
    THUMBNAIL_TYPE,
    MediaKind,
    UnreadableError,
    process,
    sniff,
)
from transactional_api.media.schemas import MediaOut, RenditionOut, UploadOut, UploadState
from transactional_api.media.stores import COLLECTION, HELD_UNTIL, Media, open_media, waits
from transactional_api.resources import Resources
from transactional_api.users import queries as users

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
AWAITED_FOR = timedelta(hours=1)
# Longer than one may be awaited, so that it has been pending for a while, too.
SWEPT_AFTER = 2 * AWAITED_FOR

# Of what is sent past the API: its room was made before anything else of it.
_HAS_ROOM = "hasRoom"
_JOBS_OF = text(
    "SELECT args->>'media_id' AS media_id, status::text FROM procrastinate_jobs "
    "WHERE task_name = 'media.process' AND args->>'media_id' = ANY(:media_ids)"
)

log = get_logger(__name__)


class UnreadableUploadError(Problem):
    """The file is none of those that we take."""

    status, code, title = 415, "unreadable_upload", "This file cannot be taken"


class QuotaExceededError(Problem):
    """The person's uploads take all the room that they have."""

    status, code, title = 409, "quota_exceeded", "There is no more room for your uploads; delete some"


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
        sniffed = await asyncio.to_thread(sniff, data)
    except UnreadableError as error:
        raise UnreadableUploadError(str(error)) from None
    await _reserve(session, media=media, user_id=viewer.id, size=len(data))
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
    """Make room for a file that the client sends to the object store itself, within 15 minutes.

    Raises:
        QuotaExceededError: when there is no room for it.
    """
    await _reserve(session, media=media, user_id=viewer.id, size=size)
    key = f"{viewer.id}/{uuid4()}"
    awaited = _document(viewer, key=key, size=size, state=UploadState.AWAITED, kind=None, type=None)
    stored = await media.documents.insert(COLLECTION, document=awaited | {_HAS_ROOM: True})
    # The room is given back if nothing comes.
    later = datetime.now(UTC) + AWAITED_FOR
    await queue.defer(session, forget_upload, at=later, media_id=str(stored.id))
    return UploadOut(media=await _out(media, stored), upload_url=await media.objects.upload_link(key))


async def complete_upload(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID) -> MediaOut:
    """Say that the file is there: it is looked at, and its processing queued. Twice changes nothing.

    Raises:
        NotUploadedError: when it is not, or is larger than was said.
        UnreadableUploadError: when its content is none of those that we take.
    """
    stored = await own(media, viewer=viewer, media_id=media_id)
    if stored.document["state"] != UploadState.AWAITED:
        return await _out(media, stored)
    try:
        data = await media.objects.get(stored.document["key"], at_most=stored.document["size"])
        if not data:
            raise NotUploadedError
        sniffed = await asyncio.to_thread(sniff, data)
    except UnreadableError as error:
        raise UnreadableUploadError(str(error)) from None
    except ValueError:
        raise NotUploadedError from None
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
    await _delete(session, media=media, stored=stored)


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


@queue.task("media.process")
async def process_upload(resources: Resources, *, media_id: str) -> None:
    """Clean an upload and make its thumbnails; done twice it gives the same."""
    media = open_media(resources)
    stored = await media.documents.get(COLLECTION, document_id=UUID(media_id))
    if stored is None or stored.document["state"] != UploadState.PENDING:
        return
    key, content_type = stored.document["key"], stored.document["type"]
    data = await media.objects.get(stored.document.get("clean") or key, at_most=MAX_UPLOAD_BYTES)
    try:
        if data is None:
            raise UnreadableError("It is not there")  # noqa: TRY301 (answered like every other fault of the file)
        done = await asyncio.to_thread(process, data, content_type=content_type)
    except UnreadableError as error:
        fields: dict[str, Any] = {"state": UploadState.FAILED, "reason": str(error)}
        await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
        log.info("media.failed", media=media_id, reason=str(error))
        return
    thumbnails = {str(width): f"{key}-{width}.webp" for width in done.thumbnails}
    for width, small in done.thumbnails.items():
        await media.objects.put(thumbnails[str(width)], small, content_type=THUMBNAIL_TYPE)
    # Under a key of its own: the link that an upload was sent to may still be good.
    clean = f"{key}-clean"
    await media.objects.put(clean, done.data, content_type=content_type)
    held_until = None
    if seeing.is_looked_at(resources.settings, stored.document["kind"]):
        held_until = datetime.now(UTC) + timedelta(minutes=resources.settings.media_look_minutes)
    fields = {
        "state": UploadState.READY,
        HELD_UNTIL: held_until.isoformat() if held_until else None,
        "reason": None,
        "clean": clean,
        "thumbnails": thumbnails,
        "width": done.width,
        "height": done.height,
        "seconds": done.seconds,
    }
    await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
    await media.objects.remove(key)  # With all that it said of its maker.
    async with resources.transaction() as session:
        row = insert(Upload).values(id=stored.id, owner_id=UUID(stored.document["ownerId"]))
        await session.execute(row.on_conflict_do_nothing())
        await queue.defer(session, seeing.see, media_id=media_id)


@queue.task("media.forget")
async def forget_upload(resources: Resources, *, media_id: str) -> None:
    """Give the room of an upload back that never came."""
    media = open_media(resources)
    stored = await media.documents.get(COLLECTION, document_id=UUID(media_id))
    if stored is not None and stored.document["state"] == UploadState.AWAITED:
        async with resources.transaction() as session:
            await _delete(session, media=media, stored=stored)


@queue.periodic("17 * * * *")
@queue.task("media.sweep")
async def sweep(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """See to uploads that no job has any more."""
    log.info("media.swept", **await sweep_pending(resources))


async def sweep_pending(resources: Resources) -> dict[str, int]:
    """See to old uploads that are pending and have no job; returns how many there were of each fate.

    One whose job gave up, or that was processed once, says that it failed, and can be processed again or deleted; one
    that no job ever had, since what took it in failed at its end, goes.
    """
    media, before = open_media(resources), (datetime.now(UTC) - SWEPT_AFTER, UUID(int=0))
    swept = {"failed": 0, "removed": 0}
    while found := await media.documents.find(
        COLLECTION, matching={"state": UploadState.PENDING}, limit=100, before=before
    ):
        before = (found[-1].created_at, found[-1].id)
        async with resources.transaction() as session:
            jobs = (await session.execute(_JOBS_OF, {"media_ids": [str(one.id) for one in found]})).all()
        for stored in found:
            states = {job.status for job in jobs if job.media_id == str(stored.id)}
            if states & {"todo", "doing"}:
                continue
            had_one = bool(states) or "clean" in stored.document
            if had_one:
                fields = {"state": UploadState.FAILED, "reason": "It could not be processed"}
                await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
            elif stored.document.get(_HAS_ROOM):
                async with resources.transaction() as session:
                    await _delete(session, media=media, stored=stored)
            else:
                await media.documents.delete(COLLECTION, document_id=stored.id)
                await media.objects.remove_under(stored.document["key"])
            swept["failed" if had_one else "removed"] += 1
    return swept


async def _delete(session: AsyncSession, *, media: Media, stored: StoredDocument) -> None:
    if not await media.documents.delete(COLLECTION, document_id=stored.id):
        return  # Somebody else deleted it and gave its room back.
    document = stored.document
    # Every copy's key begins with that of the upload.
    await media.objects.remove_under(document["key"])
    await session.execute(delete(Upload).where(Upload.id == stored.id))
    await session.execute(
        update(MediaUsage)
        .where(MediaUsage.user_id == UUID(document["ownerId"]))
        .values(bytes=MediaUsage.bytes - document["size"])
    )


async def _reserve(session: AsyncSession, *, media: Media, user_id: UUID, size: int) -> None:
    if size > media.quota_bytes:
        raise QuotaExceededError
    statement = insert(MediaUsage).values(user_id=user_id, bytes=size)
    taken = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"bytes": MediaUsage.bytes + size},
            where=MediaUsage.bytes + size <= media.quota_bytes,
        ).returning(MediaUsage.bytes)
    )
    if taken is None:
        raise QuotaExceededError


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
