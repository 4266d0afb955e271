"""Background jobs of uploads: processing, removal of uploads that never arrived, and recovery of lost jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from neighborconnect.sandbox import UnreadableError
from neighborconnect.telemetry import get_logger
from transactional_api.community.media import analysis
from transactional_api.community.media.quota import QUOTA_RESERVED, release
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import Upload
from transactional_api.core.jobs import queue
from transactional_api.core.media.objects import INCOMING
from transactional_api.core.media.processing import THUMBNAIL_TYPE, process
from transactional_api.core.media.stores import COLLECTION, HOLD_UNTIL, MAX_UPLOAD_BYTES, UploadState, open_media

PROCESS_SECONDS = 60.0
UPLOAD_TIMEOUT = timedelta(hours=1)
# Longer than the upload timeout, so that the upload has been pending for a while.
STALE_AFTER = 2 * UPLOAD_TIMEOUT

_SELECT_JOBS = text(
    "SELECT args->>'media_id' AS media_id, status::text FROM procrastinate_jobs "
    "WHERE task_name = 'media.process' AND args->>'media_id' = ANY(:media_ids)"
)

log = get_logger(__name__)


@queue.task("media.process", lane=queue.Lane.MEDIA, priority=queue.Priority.URGENT)
async def process_upload(context: AppContext, *, media_id: str) -> None:
    """Re-encode an upload without metadata and create its thumbnails; idempotent."""
    media = open_media(context)
    stored = await media.documents.get(COLLECTION, document_id=UUID(media_id))
    if stored is None or stored.document["state"] != UploadState.PENDING:
        return
    key, content_type = stored.document["key"], stored.document["content_type"]
    data = await media.objects.get(stored.document.get("processed_key") or key, at_most=MAX_UPLOAD_BYTES)
    try:
        if data is None:
            raise UnreadableError("The file is missing")  # noqa: TRY301 (handled like every other invalid file)
        processed = await context.sandbox.run(
            partial(process, data, content_type=content_type), seconds=PROCESS_SECONDS
        )
    except UnreadableError as error:
        fields: dict[str, Any] = {"state": UploadState.FAILED, "reason": str(error)}
        await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
        log.info("media.failed", media=media_id, reason=str(error))
        return
    thumbnails = {str(width): f"{key}-{width}.webp" for width in processed.thumbnails}
    for width, thumbnail in processed.thumbnails.items():
        await media.objects.put(thumbnails[str(width)], thumbnail, content_type=THUMBNAIL_TYPE)
    # A separate key, because the link for sending the upload may still be valid.
    processed_key = f"{key}-clean"
    await media.objects.put(processed_key, processed.data, content_type=processed.content_type)
    hold_until = None
    if analysis.has_model(context.settings, stored.document["kind"]):
        hold_until = datetime.now(UTC) + timedelta(minutes=context.settings.media_analysis_hold_minutes)
    fields = {
        "state": UploadState.READY,
        HOLD_UNTIL: hold_until.isoformat() if hold_until else None,
        "reason": None,
        "processed_key": processed_key,
        "content_type": processed.content_type,
        "thumbnails": thumbnails,
        "width": processed.width,
        "height": processed.height,
        "duration_seconds": processed.seconds,
    }
    await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
    await media.objects.remove(key)  # Its metadata may identify the author.
    async with context.transaction() as session:
        row = insert(Upload).values(id=stored.id, owner_id=UUID(stored.document["owner_id"]))
        await session.execute(row.on_conflict_do_nothing())
        await queue.defer(session, analysis.analyze_upload, media_id=media_id)


@queue.task("media.expire")
async def expire_upload(context: AppContext, *, media_id: str) -> None:
    """Delete an upload whose file never arrived, and release its quota."""
    media = open_media(context)
    stored = await media.documents.get(COLLECTION, document_id=UUID(media_id))
    if stored is not None and stored.document["state"] == UploadState.AWAITED:
        async with context.transaction() as session:
            await release(session, media=media, stored=stored)


@queue.periodic("17 * * * *")
@queue.task("media.sweep")
async def sweep(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Delete stale incoming objects, and recover or delete uploads whose job is lost."""
    # A link that outlived its upload may have created an object again.
    incoming = await open_media(context).objects.remove_older(INCOMING, than=datetime.now(UTC) - UPLOAD_TIMEOUT)
    log.info("media.swept", incoming=incoming, **await sweep_pending(context))


async def sweep_pending(context: AppContext) -> dict[str, int]:
    """Resolve old pending uploads without a job; return the number of each result.

    An upload whose job failed, or that was processed before, is marked as failed and can be processed again. An upload
    that never had a job, because the request that created it failed, is deleted.
    """
    media, before = open_media(context), (datetime.now(UTC) - STALE_AFTER, UUID(int=0))
    swept = {"failed": 0, "removed": 0}
    while uploads := await media.documents.find(
        COLLECTION, matching={"state": UploadState.PENDING}, limit=100, before=before
    ):
        before = (uploads[-1].created_at, uploads[-1].id)
        async with context.transaction() as session:
            jobs = (await session.execute(_SELECT_JOBS, {"media_ids": [str(upload.id) for upload in uploads]})).all()
        for stored in uploads:
            states = {job.status for job in jobs if job.media_id == str(stored.id)}
            if states & {"todo", "doing"}:
                continue
            had_job = bool(states) or "processed_key" in stored.document
            if had_job:
                fields = {"state": UploadState.FAILED, "reason": "It could not be processed"}
                await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
            elif stored.document.get(QUOTA_RESERVED):
                async with context.transaction() as session:
                    await release(session, media=media, stored=stored)
            else:
                await media.documents.delete(COLLECTION, document_id=stored.id)
                await media.objects.remove_under(stored.document["key"])
            swept["failed" if had_job else "removed"] += 1
    return swept
