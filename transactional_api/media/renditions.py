"""A video for every screen: renditions that the video service writes, one after another, in a job of their own.

What is done stays done: a job that was killed, cancelled or failed goes on with the next rendition that is missing.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.vision import Rendition, RenditionRequest, RenditionStep, VideoCodec
from neighborconnect.telemetry import get_logger
from transactional_api.errors import NotFoundError
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer, Service, inference_of_a_job
from transactional_api.jobs import queue
from transactional_api.media.documents import StoredDocument
from transactional_api.media.processing import MediaKind
from transactional_api.media.stores import COLLECTION, Media, open_media
from transactional_api.resources import Resources

HEIGHTS = (240, 480, 720, 1_080)
_SAVING = (480, VideoCodec.AV1)
"""For who pays by the byte."""
_LEAST = 144
_PROGRESS, _CANCELLED, _DONE = "progress", "cancelled", "renditions"
_URI = "video.mp4"

log = get_logger(__name__)


def wanted(height: int) -> dict[str, tuple[int, VideoCodec]]:
    """Return the renditions of a video so high, by name: none is higher, and there is always one."""
    heights = [one for one in HEIGHTS if one <= height] or [max(_LEAST, height // 2 * 2)]
    ladder = [(one, VideoCodec.H264) for one in heights]
    if _SAVING[0] in heights:
        ladder.append(_SAVING)
    return {f"{codec}-{tall}": (tall, codec) for tall, codec in ladder}


async def begin(session: AsyncSession, *, media: Media, media_id: UUID) -> None:
    """Queue what is missing of a video's renditions; twice is once."""
    fields = {_CANCELLED: False, _PROGRESS: 0.0}
    await media.documents.change(COLLECTION, document_id=media_id, fields=fields)
    await queue.defer(session, write, one_at_a_time=f"renditions-{media_id}", media_id=str(media_id))


async def cancel(media: Media, *, media_id: UUID) -> None:
    """Have a job leave off within a second or so; what is done stays."""
    await media.documents.change(COLLECTION, document_id=media_id, fields={_CANCELLED: True, _PROGRESS: None})


@queue.task("media.renditions", lane=queue.Lane.RENDITIONS)
async def write(resources: Resources, *, media_id: str) -> None:
    """Write the renditions that are missing.

    Raises:
        InferenceError: when the video service does not answer or breaks off; the queue tries again later.
    """
    media, settings = open_media(resources), resources.settings
    stored = await media.ready(UUID(media_id))
    if stored is None or stored.document["kind"] != MediaKind.VIDEO or settings.video_url is None:
        return
    async with inference_of_a_job(settings) as inference:
        ladder = wanted(stored.document["height"])
        for number, (name, (height, codec)) in enumerate(ladder.items()):
            now = await _going_on(media, stored.id)
            if now is None:
                return
            if name in now.document.get(_DONE, {}):
                continue
            share = number / len(ladder), 1 / len(ladder)
            if not await _write_one(media, inference, now, name=name, height=height, codec=codec, share=share):
                return
    await media.documents.change(COLLECTION, document_id=stored.id, fields={_PROGRESS: 1.0})


async def _write_one(
    media: Media,
    inference: InferenceClient,
    stored: StoredDocument,
    *,
    name: str,
    height: int,
    codec: VideoCodec,
    share: tuple[float, float],
) -> bool:
    """Write one; tells whether to go on with the next."""
    key = f"{stored.document['key']}-{name}.mp4"
    request = RenditionRequest(
        media_id=str(stored.id),
        url=await media.objects.source(stored.document["clean"]),
        target=await media.objects.target(key),
        height=height,
        codec=codec,
        uri=_URI,
    )
    done: Rendition | None = None
    async with aclosing(inference.follow(Service.VIDEO, "/process", request, RenditionStep)) as steps:
        async for step in steps:
            if step.refused is not None:
                log.info("media.refused", media=str(stored.id), reason=step.refused)
                await media.documents.change(COLLECTION, document_id=stored.id, fields={_PROGRESS: None})
                return False
            done = step.done
            if done is not None:
                continue
            # Whole is 1.0, and it is whole when the last rendition can be fetched.
            fields = {_PROGRESS: min(round(share[0] + share[1] * step.share, 3), 0.999)}
            await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
            # Leaving the stream is what cancels it over there.
            if await _going_on(media, stored.id) is None:
                return False
    if done is None:
        raise InferenceError(NoAnswer.SERVICE_UNAVAILABLE)
    now = await media.documents.get(COLLECTION, document_id=stored.id)
    if now is None:
        await media.objects.remove(key)  # Deleted while it was written.
        return False
    renditions = now.document.get(_DONE, {}) | {name: done.model_dump(mode="json") | {"key": key}}
    await media.documents.change(COLLECTION, document_id=stored.id, fields={_DONE: renditions})
    return True


async def _going_on(media: Media, media_id: UUID) -> StoredDocument | None:
    stored = await media.documents.get(COLLECTION, document_id=media_id)
    return stored if stored is not None and not stored.document.get(_CANCELLED) else None


def master_playlist(document: dict[str, Any]) -> str:
    """Return the HLS playlist of all renditions, the smallest first; raises ``NotFoundError`` where there is none."""
    found: dict[str, Any] = document.get(_DONE, {})
    if not found:
        raise NotFoundError
    lines = ["#EXTM3U", "#EXT-X-VERSION:7"]
    for name, one in sorted(found.items(), key=lambda item: item[1]["bandwidth"]):
        size = f"{one['width']}x{one['height']}"
        lines.append(f'#EXT-X-STREAM-INF:BANDWIDTH={one["bandwidth"]},RESOLUTION={size},CODECS="{one["codecs"]}"')
        lines.append(f"playlist/{name}.m3u8")
    return "\n".join(lines) + "\n"


async def playlist(media: Media, document: dict[str, Any], *, name: str) -> str:
    """Return the HLS playlist of one rendition, its links good for an hour."""
    one = document.get(_DONE, {}).get(name)
    if one is None:
        raise NotFoundError
    link = await media.objects.link(one["key"])
    return str(one["playlist"]).replace(_URI, link)
