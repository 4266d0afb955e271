"""Processing of uploads: content type detection, a copy without metadata, thumbnails.

``process`` decodes untrusted files, so it runs only in the processes of ``AppContext.sandbox``. It decodes with
``neighborconnect.pictures`` and ``neighborconnect.videos``, as the image and video services do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

import av
from av.error import FFmpegError
from PIL import Image

from neighborconnect.file_types import AVIF, GIF, HEIC, JPEG, PNG, SUPPORTED, WEBP, content_type_of, refused_format
from neighborconnect.pictures import Animation, read_animation, read_picture
from neighborconnect.sandbox import UnreadableError
from neighborconnect.videos import Shaper, Video, frames, opened

THUMBNAILS = (320, 1080)
THUMBNAIL_TYPE = "image/webp"
JPEG_QUALITY, WEBP_QUALITY = 88, 80
MAX_GROWTH_BYTES = 1024 * 1024
"""A video in its new container is no larger than twice the old one and this."""
_MAX_WEBP_SIDE = 16_383
_PALETTE_COLORS = 255
"""Of a GIF with transparency, which is one more."""
_OPAQUE_FROM = 128


class MediaKind(StrEnum):
    """Kind of a file."""

    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Detected type of a file."""

    kind: MediaKind
    content_type: str


@dataclass(frozen=True, slots=True)
class Processed:
    """A file without metadata, with its type, its size as it is shown, and smaller copies by their width."""

    data: bytes
    content_type: str
    width: int
    height: int
    seconds: float | None
    thumbnails: dict[int, bytes]


def sniff(data: bytes) -> Sniffed:
    """Return the type of a file by its first bytes, without decoding it.

    Raises:
        UnreadableError: for any type but the supported ones; it names the type where it is a known one.
    """
    content_type = content_type_of(data)
    if content_type is None:
        name = refused_format(data)
        reason = f"This is a file of {name}, which is not supported" if name else "The format is not known"
        raise UnreadableError(f"{reason}: send {SUPPORTED}")
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
    animation = read_animation(data)
    first = animation.frames[0] if animation else read_picture(data)
    clean, written_as = _write_animation(animation, content_type) if animation else _write(first, content_type)
    return Processed(clean, written_as, first.width, first.height, None, _thumbnails(first))


def _write(image: Image.Image, content_type: str) -> tuple[bytes, str]:
    """Write a picture in its own format; HEIC and AVIF, which many programs do not show, as JPEG or WebP."""
    if content_type in {AVIF, HEIC}:
        content_type = JPEG if image.mode == "RGB" else WEBP
    data = io.BytesIO()
    if content_type == JPEG:
        image.convert("RGB").save(data, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    elif content_type == PNG:
        image.save(data, format="PNG", optimize=True)
    elif content_type == GIF:
        _paletted(image).save(data, format="GIF")
    else:
        if max(image.size) > _MAX_WEBP_SIDE:
            image.thumbnail((_MAX_WEBP_SIDE, _MAX_WEBP_SIDE))
        image.save(data, format="WEBP", quality=WEBP_QUALITY)
    return data.getvalue(), content_type


def _write_animation(animation: Animation, content_type: str) -> tuple[bytes, str]:
    """Write an animation in its own format; AVIF as WebP."""
    data = io.BytesIO()
    frames, durations = animation.frames, animation.durations
    if content_type == GIF:
        first, *others = (_paletted(frame) for frame in frames)
        # Each frame replaces the one before, or what is transparent would show it.
        loop = {} if animation.loop is None else {"loop": animation.loop}
        first.save(data, format="GIF", save_all=True, append_images=others, duration=durations, disposal=2, **loop)
        return data.getvalue(), GIF
    first, *others = frames
    loop = {"loop": animation.loop or 0}
    if content_type == PNG:
        first.save(data, format="PNG", save_all=True, append_images=others, duration=durations, **loop)
        return data.getvalue(), PNG
    first.save(
        data, format="WEBP", save_all=True, append_images=others, duration=durations, quality=WEBP_QUALITY, **loop
    )
    return data.getvalue(), WEBP


def _paletted(image: Image.Image) -> Image.Image:
    """Return a picture of at most 256 colors, one of them transparent where the picture is."""
    if image.mode != "RGBA":
        return image.convert("P", palette=Image.Palette.ADAPTIVE)
    paletted = image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=_PALETTE_COLORS)
    clear = image.getchannel("A").point([255 * (alpha < _OPAQUE_FROM) for alpha in range(256)])
    paletted.paste(_PALETTE_COLORS, mask=clear)
    paletted.info["transparency"] = _PALETTE_COLORS
    return paletted


def _thumbnails(image: Image.Image) -> dict[int, bytes]:
    made = {}
    for width in THUMBNAILS:
        small = image.copy()
        small.thumbnail((width, width))
        data = io.BytesIO()
        small.save(data, format="WEBP", quality=WEBP_QUALITY)
        made[width] = data.getvalue()
    return made


def _video(data: bytes, content_type: str) -> Processed:
    with opened(data) as video:
        poster = _poster(video)
        clean = _remuxed(video, content_type, room=2 * len(data) + MAX_GROWTH_BYTES)
        return Processed(clean, content_type, video.width, video.height, video.seconds or None, _thumbnails(poster))


def _poster(video: Video) -> Image.Image:
    shaper = Shaper(video, width=video.width, height=video.height, pixels="rgb24")
    for _, frame in frames(video):
        image: Image.Image = shaper.shape(frame).to_image()  # type: ignore[no-untyped-call]
        return image
    raise UnreadableError("It has no pictures")


def _remuxed(video: Video, content_type: str, *, room: int) -> bytes:
    """Return the same video and audio streams in a new container without metadata such as location and author.

    Only the streams that the video service analyzes are copied: others would be published without analysis. A container
    may reference the same bytes repeatedly, so the size of the result is limited.
    """
    clean = io.BytesIO()
    streams = [stream for stream in (video.pictures, video.sounds) if stream is not None]
    video.container.seek(0)
    with av.open(clean, "w", format=content_type.removeprefix("video/")) as target:
        copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in streams}
        for packet in video.container.demux(*streams):
            room -= packet.size
            if room < 0:
                raise UnreadableError("It is much longer than its file")
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return clean.getvalue()
