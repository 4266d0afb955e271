"""Renditions of videos for adaptive streaming, written by the video service one after another in a job.

Finished renditions persist: a job that was killed, canceled or failed resumes with the next missing rendition.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.vision import Rendition, RenditionProgress, RenditionRequest, VideoCodec
from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import NotFoundError
from transactional_api.core.inference.client import (
    FallbackReason,
    InferenceClient,
    InferenceError,
    Service,
    job_inference_client,
)
from transactional_api.core.jobs import queue
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import COLLECTION, MediaStores, open_media

HEIGHTS = (240, 480, 720, 1_080)
_LOW_BANDWIDTH = (480, VideoCodec.AV1)
"""Additional rendition with a more efficient codec for metered connections."""
_MIN_HEIGHT = 144
_PROGRESS, _CANCELED, _DONE = "progress", "canceled", "renditions"
_URI = "video.mp4"

log = get_logger(__name__)


def bitrate_ladder(height: int) -> dict[str, tuple[int, VideoCodec]]:
    """Return the renditions of a video of ``height`` pixels by name: at least one, none higher than the video."""
    heights = [rung for rung in HEIGHTS if rung <= height] or [max(_MIN_HEIGHT, height // 2 * 2)]
    ladder = [(rung, VideoCodec.H264) for rung in heights]
    if _LOW_BANDWIDTH[0] in heights:
        ladder.append(_LOW_BANDWIDTH)
    return {f"{codec}-{rung}": (rung, codec) for rung, codec in ladder}


async def enqueue(session: AsyncSession, *, media: MediaStores, media_id: UUID) -> None:
    """Queue the missing renditions of a video; idempotent."""
    fields = {_CANCELED: False, _PROGRESS: 0.0}
    await media.documents.change(COLLECTION, document_id=media_id, fields=fields)
    await queue.defer(session, write, one_at_a_time=f"renditions-{media_id}", media_id=str(media_id))


async def cancel(media: MediaStores, *, media_id: UUID) -> None:
    """Cancel a running job within about a second; finished renditions stay."""
    await media.documents.change(COLLECTION, document_id=media_id, fields={_CANCELED: True, _PROGRESS: None})


@queue.task("media.renditions", lane=queue.Lane.RENDITIONS)
async def write(context: AppContext, *, media_id: str) -> None:
    """Write the missing renditions.

    Raises:
        InferenceError: when the video service is unavailable or aborts; the queue retries.
    """
    media, settings = open_media(context), context.settings
    stored = await media.ready(UUID(media_id))
    if stored is None or stored.document["kind"] != MediaKind.VIDEO or settings.video_url is None:
        return
    async with job_inference_client(settings) as inference:
        ladder = bitrate_ladder(stored.document["height"])
        for number, (name, (height, codec)) in enumerate(ladder.items()):
            now = await _unless_canceled(media, stored.id)
            if now is None:
                return
            if name in now.document.get(_DONE, {}):
                continue
            share = number / len(ladder), 1 / len(ladder)
            if not await _write_rendition(media, inference, now, name=name, height=height, codec=codec, share=share):
                return
    await media.documents.change(COLLECTION, document_id=stored.id, fields={_PROGRESS: 1.0})


async def _write_rendition(
    media: MediaStores,
    inference: InferenceClient,
    stored: StoredDocument,
    *,
    name: str,
    height: int,
    codec: VideoCodec,
    share: tuple[float, float],
) -> bool:
    """Write one rendition; return whether to continue with the next."""
    key = f"{stored.document['key']}-{name}.mp4"
    request = RenditionRequest(
        media_id=str(stored.id),
        url=await media.objects.source(stored.document["processed_key"]),
        target=await media.objects.target(key),
        height=height,
        codec=codec,
        uri=_URI,
    )
    done: Rendition | None = None
    async with aclosing(inference.follow(Service.VIDEO, "/process", request, RenditionProgress)) as steps:
        async for step in steps:
            if step.rejection is not None:
                log.info("media.rejected", media=str(stored.id), reason=step.rejection)
                await media.documents.change(COLLECTION, document_id=stored.id, fields={_PROGRESS: None})
                return False
            done = step.rendition
            if done is not None:
                continue
            # Progress becomes 1.0 only when the last rendition is available.
            fields = {_PROGRESS: min(round(share[0] + share[1] * step.progress, 3), 0.999)}
            await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
            # Closing the stream cancels the work in the video service.
            if await _unless_canceled(media, stored.id) is None:
                return False
    if done is None:
        raise InferenceError(FallbackReason.SERVICE_UNAVAILABLE)
    now = await media.documents.get(COLLECTION, document_id=stored.id)
    if now is None:
        await media.objects.remove(key)  # Deleted while it was written.
        return False
    renditions = now.document.get(_DONE, {}) | {name: done.model_dump(mode="json") | {"key": key}}
    await media.documents.change(COLLECTION, document_id=stored.id, fields={_DONE: renditions})
    return True


async def _unless_canceled(media: MediaStores, media_id: UUID) -> StoredDocument | None:
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    return stored if stored is not None and not stored.document.get(_CANCELED) else None


def master_playlist(document: dict[str, Any]) -> str:
    """Return the HLS master playlist of all renditions, lowest bandwidth first.

    Raises:
        NotFoundError: when there is no rendition.
    """
    renditions: dict[str, Any] = document.get(_DONE, {})
    if not renditions:
        raise NotFoundError
    lines = ["#EXTM3U", "#EXT-X-VERSION:7"]
    for name, rendition in sorted(renditions.items(), key=lambda item: item[1]["bandwidth"]):
        size = f"{rendition['width']}x{rendition['height']}"
        lines.append(
            f'#EXT-X-STREAM-INF:BANDWIDTH={rendition["bandwidth"]},RESOLUTION={size},CODECS="{rendition["codecs"]}"'
        )
        lines.append(f"playlist/{name}.m3u8")
    return "\n".join(lines) + "\n"


async def playlist(media: MediaStores, document: dict[str, Any], *, name: str) -> str:
    """Return the HLS playlist of one rendition with links that are valid for an hour.

    Raises:
        NotFoundError: when there is no such rendition.
    """
    rendition = document.get(_DONE, {}).get(name)
    if rendition is None:
        raise NotFoundError
    link = await media.objects.link(rendition["key"])
    return str(rendition["playlist"]).replace(_URI, link)
