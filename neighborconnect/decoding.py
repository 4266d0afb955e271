"""Opening of uploaded files for decoding, only in processes of a ``Sandbox``.

The format follows from the first bytes of a file, never from a guess of FFmpeg or Pillow: some of FFmpeg's hundreds of
demuxers listen on ports, fetch URLs or read other files.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import av
import pi_heif
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from neighborconnect.file_types import AVIF, GIF, HEAD_BYTES, HEIC, JPEG, MP4, PNG, WEBM, WEBP, content_type_of
from neighborconnect.sandbox import UnreadableError

MAX_FRAMES = 1_000
MAX_ANIMATION_PIXELS = 100_000_000
"""Maximum pixels of all frames of an animation together."""
MAX_IMAGE_PIXELS = 150_000_000
"""Maximum pixels of an image; each reader has a lower limit of its own."""

# A multi-picture JPEG (MPO) is opened as JPEG, too.
_IMAGE_FORMATS = {JPEG: "JPEG", PNG: "PNG", GIF: "GIF", WEBP: "WEBP", AVIF: "AVIF", HEIC: "HEIF"}
_DEMUXERS = {MP4: "mp4", WEBM: "matroska"}
_NO_PROTOCOLS = {"protocol_whitelist": "file,pipe,fd"}
"""Protocols that FFmpeg may open: a file must not cause the fetching of others."""

Stream = TypeVar("Stream", VideoStream, AudioStream)

Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS
# Metadata and previews are not used; each decoder thread counts against the memory limit of the process.
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


@contextmanager
def open_video(file: Path | bytes) -> Iterator[InputContainer]:
    """Open a video for decoding.

    Raises:
        UnreadableError: it is neither MP4 nor WebM.
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
    """Return the streams with a decoder; the others lack even their dimensions."""
    return [stream for stream in streams if stream.codec_context is not None]


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image for decoding; only its header is read.

    Raises:
        UnreadableError: its format is not supported, or it has too many pixels.
    """
    name = _IMAGE_FORMATS.get(content_type_of(data) or "")
    if name is None:
        raise UnreadableError("It is not a JPEG, PNG, WebP, GIF, AVIF or HEIC image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Refuse too large an image before it is decoded, instead of logging a warning.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=[name]) as image:
                yield image
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise UnreadableError(f"It has more than {MAX_IMAGE_PIXELS // 1_000_000} million pixels") from None


def check_animation(image: Image.Image) -> None:
    """Check the size of an animation, and rewind it to its first frame.

    Raises:
        UnreadableError: it has more than ``MAX_FRAMES`` frames or ``MAX_ANIMATION_PIXELS`` pixels in total.
    """
    allowed = max(1, min(MAX_FRAMES, MAX_ANIMATION_PIXELS // max(1, image.width * image.height)))
    try:
        image.seek(allowed)
    except EOFError:
        image.seek(0)
        return
    raise UnreadableError(
        f"It has more than {MAX_FRAMES} frames, or {MAX_ANIMATION_PIXELS // 1_000_000} million pixels in total"
    )
