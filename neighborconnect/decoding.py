"""The only place where a file that a stranger sent is opened for decoding; for processes of a ``Sandbox``.

A file is opened as what its first bytes say, never as what FFmpeg or Pillow guess: of FFmpeg's hundreds of demuxers
some listen on ports, fetch addresses or read other files.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from neighborconnect.sandbox import UnreadableError

HEAD_BYTES = 64
"""Bytes of a file that say what it is."""
MAX_FRAMES = 1_000
MAX_ANIMATION_PIXELS = 100_000_000
"""Pixels of all frames of an animation together."""
MAX_IMAGE_PIXELS = 150_000_000
"""Pixels of any picture; each reader has a limit of its own below."""

_IMAGES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_DEMUXERS = {"video/mp4": "mp4", "video/webm": "matroska"}
_NO_PROTOCOLS = {"protocol_whitelist": "file,pipe,fd"}
"""A file that names others must not have them fetched."""

Stream = TypeVar("Stream", VideoStream, AudioStream)

Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS


def content_type_of(head: bytes) -> str | None:
    """Return the content type of a file by its first bytes; None for all but the images and videos that we take."""
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:HEAD_BYTES]:
        return "video/webm"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return next((content_type for begin, content_type in _IMAGES.items() if head.startswith(begin)), None)


@contextmanager
def open_video(file: Path | bytes) -> Iterator[InputContainer]:
    """Open a video for decoding, as its first bytes say.

    Raises:
        UnreadableError: when it is neither MP4 nor WebM.
    """
    if isinstance(file, bytes):
        head = file[:HEAD_BYTES]
    else:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    demuxer = _DEMUXERS.get(content_type_of(head) or "")
    if demuxer is None:
        raise UnreadableError("It is neither MP4 nor WebM")
    source = io.BytesIO(file) if isinstance(file, bytes) else str(file)
    with av.open(source, "r", format=demuxer, options=_NO_PROTOCOLS) as container:
        yield container


def decodable(streams: Iterable[Stream]) -> list[Stream]:
    """Return the streams that there is a decoder for; the others lack even their sizes."""
    return [one for one in streams if one.codec_context is not None]


@contextmanager
def open_image(data: bytes, *, formats: Sequence[str]) -> Iterator[Image.Image]:
    """Open a picture for decoding; nothing but its header is read yet.

    Args:
        data: the file.
        formats: of Pillow, that it may have.

    Raises:
        UnreadableError: when all its pictures together have more pixels than may be.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # What is too large is an error before it is decoded, not a line of a log.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=list(formats)) as image:
                yield image
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise UnreadableError(f"It has more than {MAX_IMAGE_PIXELS // 1_000_000} million pixels") from None


def check_animation(image: Image.Image) -> None:
    """Check that all pictures of an animation together may be decoded, and go back to its first.

    Raises:
        UnreadableError: when it has more than ``MAX_FRAMES``, or they have more than ``MAX_ANIMATION_PIXELS``.
    """
    allowed = max(1, min(MAX_FRAMES, MAX_ANIMATION_PIXELS // max(1, image.width * image.height)))
    try:
        image.seek(allowed)
    except EOFError:
        image.seek(0)
        return
    raise UnreadableError(
        f"It has more than {MAX_FRAMES} pictures, or {MAX_ANIMATION_PIXELS // 1_000_000} million pixels in all of them"
    )
