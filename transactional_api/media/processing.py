"""Processing of an upload: its type by its content, a copy without metadata, thumbnails.

``process`` decodes what a stranger sent: it runs in the processes of ``Resources.sandbox`` only.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import av
from av.error import FFmpegError
from PIL import Image, ImageOps

from neighborconnect.decoding import check_animation, content_type_of, decodable, open_image, open_video
from neighborconnect.sandbox import UnreadableError

MAX_PIXELS = 50_000_000
THUMBNAILS = (320, 1080)
THUMBNAIL_TYPE = "image/webp"
JPEG_QUALITY, WEBP_QUALITY = 88, 80
MAX_GROWTH_BYTES = 1024 * 1024
"""A video in its new container is no larger than twice the old one and this."""


class MediaKind(StrEnum):
    """What a file is."""

    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file is by its content."""

    kind: MediaKind
    content_type: str


@dataclass(frozen=True, slots=True)
class Processed:
    """A file without metadata, with its size and smaller still copies by their width."""

    data: bytes
    width: int
    height: int
    seconds: float | None
    thumbnails: dict[int, bytes]


_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}


def sniff(data: bytes) -> Sniffed:
    """Return the type of a file by its first bytes, without decoding it.

    Raises:
        UnreadableError: for anything but the images and videos that we take.
    """
    content_type = content_type_of(data)
    if content_type is None:
        raise UnreadableError("It is neither JPEG, PNG, WebP or GIF nor MP4 or WebM")
    return Sniffed(MediaKind(content_type.partition("/")[0]), content_type)


def process(data: bytes, *, content_type: str) -> Processed:
    """Clean a file and make its thumbnails; for a process of the sandbox. Raises ``UnreadableError``."""
    try:
        return _video(data, content_type) if content_type.startswith("video/") else _image(data, content_type)
    except UnreadableError:
        raise
    except (FFmpegError, OSError, ValueError, SyntaxError, IndexError, KeyError, EOFError, OverflowError, TypeError):
        raise UnreadableError("It is damaged") from None


def _image(data: bytes, content_type: str) -> Processed:
    with open_image(data, formats=[_FORMATS[content_type]]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadableError(f"It has more than {MAX_PIXELS // 1_000_000} million pixels")
        if content_type == "image/gif":
            check_animation(image)
        upright = ImageOps.exif_transpose(image)
        upright.load()
        clean = io.BytesIO()
        if content_type == "image/gif":
            image.seek(0)
            image.save(clean, format="GIF", save_all=True, comment=b"")
        elif content_type == "image/jpeg":
            upright.convert("RGB").save(clean, format="JPEG", quality=JPEG_QUALITY, optimize=True)
        elif content_type == "image/png":
            _without_info(upright).save(clean, format="PNG", optimize=True)
        else:
            _without_info(upright).save(clean, format="WEBP", quality=WEBP_QUALITY)
        return Processed(clean.getvalue(), upright.width, upright.height, None, _thumbnails(upright))


def _without_info(image: Image.Image) -> Image.Image:
    """Return the pixels alone: what a format keeps beside them may name a place or a person."""
    bare = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    bare.info.clear()
    return bare


def _thumbnails(image: Image.Image) -> dict[int, bytes]:
    made = {}
    for width in THUMBNAILS:
        small = _without_info(image)
        small.thumbnail((width, width))
        data = io.BytesIO()
        small.save(data, format="WEBP", quality=WEBP_QUALITY)
        made[width] = data.getvalue()
    return made


def _video(data: bytes, content_type: str) -> Processed:
    poster: Image.Image | None = None
    clean = io.BytesIO()
    with open_video(data) as source:
        videos, sounds = decodable(source.streams.video), decodable(source.streams.audio)
        if not videos:
            raise UnreadableError("It has no pictures")
        stream = videos[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise UnreadableError("Its pictures are too large")
        seconds = float(source.duration / av.time_base) if source.duration else None
        for picture in source.decode(stream):
            poster = picture.to_image()  # type: ignore[no-untyped-call]
            break
        if poster is None:
            raise UnreadableError("It has no pictures")
        source.seek(0)
        # The same pictures and sounds in a new container, which says nothing of where and by whom. A container may
        # name the same bytes as many pictures.
        room = 2 * len(data) + MAX_GROWTH_BYTES
        with av.open(clean, "w", format=content_type.removeprefix("video/")) as target:
            copies: dict[int, Any] = {one.index: target.add_stream_from_template(one) for one in (*videos, *sounds)}
            for packet in source.demux(*videos, *sounds):
                room -= packet.size
                if room < 0:
                    raise UnreadableError("It is much longer than its file")
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)
    return Processed(clean.getvalue(), poster.width, poster.height, seconds, _thumbnails(poster))
