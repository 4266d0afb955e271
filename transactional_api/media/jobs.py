"""Background jobs of uploads: they are cleaned, forgotten when they never came, swept when no job has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from neighborconnect.sandbox import UnreadableError
from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import Upload
from transactional_api.jobs import queue
from transactional_api.media import seeing
from transactional_api.media.objects import INCOMING
from transactional_api.media.processing import THUMBNAIL_TYPE, process
from transactional_api.media.room import HAS_ROOM, give_back
from transactional_api.media.schemas import UploadState
from transactional_api.media.stores import COLLECTION, HELD_UNTIL, MAX_UPLOAD_BYTES, open_media
from transactional_api.resources import Resources

PROCESS_SECONDS = 60.0
AWAITED_FOR = timedelta(hours=1)
# Longer than one may be awaited, so that it has been pending for a while, too.
SWEPT_AFTER = 2 * AWAITED_FOR

_JOBS_OF = text(
    "SELECT args->>'media_id' AS media_id, status::text FROM procrastinate_jobs "
    "WHERE task_name = 'media.process' AND args->>'media_id' = ANY(:media_ids)"
)

log = get_logger(__name__)


@queue.task("media.process", lane=queue.Lane.MEDIA, priority=queue.Priority.URGENT)
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
        done = await resources.sandbox.run(partial(process, data, content_type=content_type), seconds=PROCESS_SECONDS)
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
            await give_back(session, media=media, stored=stored)


@queue.periodic("17 * * * *")
@queue.task("media.sweep")
async def sweep(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """See to uploads that no job has any more."""
    # A link that outlived its upload may have brought an object back.
    incoming = await open_media(resources).objects.remove_older(INCOMING, than=datetime.now(UTC) - AWAITED_FOR)
    log.info("media.swept", incoming=incoming, **await sweep_pending(resources))


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
            elif stored.document.get(HAS_ROOM):
                async with resources.transaction() as session:
                    await give_back(session, media=media, stored=stored)
            else:
                await media.documents.delete(COLLECTION, document_id=stored.id)
                await media.objects.remove_under(stored.document["key"])
            swept["failed" if had_one else "removed"] += 1
    return swept
