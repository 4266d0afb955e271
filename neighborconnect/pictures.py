"""Reading of uploaded images, shared by the API and the image service.

Images are returned upright, in sRGB with 8 bits per channel, as RGB or RGBA, without metadata.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image, ImageCms, ImageOps

from neighborconnect.decoding import check_animation, open_image
from neighborconnect.sandbox import UnreadableError

MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 150_000_000
"""Higher than for other formats: a JPEG can be decoded at half its size or less."""

_ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
"""Multiple images in a file of another format are views, previews or parts of one image."""
_DECODER_ERRORS = (
    *(OSError, ValueError, SyntaxError, IndexError, KeyError, EOFError, OverflowError, TypeError, AttributeError),
    *(RuntimeError, ArithmeticError, struct.error, zlib.error),
)
"""Exceptions of Pillow's decoders for corrupt files."""
_SRGB = ImageCms.createProfile("sRGB")
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pillow's mode by the color space of a profile."""
_OPAQUE = 255
_GRAY_MODES = ("1", "L", "LA", "La")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Animation:
    """Frames of an animation, at least two.

    Attributes:
        frames: frames of the same size and mode.
        durations: duration of each frame in milliseconds.
        loop: number of repetitions; 0 for endless, None for one.
    """

    frames: list[Image.Image]
    durations: list[int]
    loop: int | None


def read_picture(data: bytes, *, longest: int | None = None) -> Image.Image:
    """Return an image; the first frame of an animation.

    Args:
        data: content of the file.
        longest: required pixels of the longer side; a JPEG may be decoded at a reduced size not below it.

    Raises:
        UnreadableError: it is not a supported image, is corrupt or truncated, or has too many pixels.
    """
    return _reading(partial(_read, data, longest))


def read_animation(data: bytes) -> Animation | None:
    """Return the frames of an animation; None for a still image.

    Raises:
        UnreadableError: as for ``read_picture``, or it has too many frames.
    """
    return _reading(partial(_read_animation, data))


def _reading(read: Callable[[], Result]) -> Result:
    try:
        return read()
    except UnreadableError:
        raise
    except MemoryError:
        raise UnreadableError("It needs more memory than allowed") from None
    except _DECODER_ERRORS as error:
        raise UnreadableError("It is damaged") from error


def _read(data: bytes, longest: int | None) -> Image.Image:
    with open_image(data) as image:
        is_jpeg = image.format in {"JPEG", "MPO"}
        _check_size(image, MAX_JPEG_PIXELS if is_jpeg else MAX_PIXELS)
        if is_jpeg:
            # Proportional to the image: ``draft`` takes the minimum of both sides.
            scale = 0.5 if image.width * image.height > MAX_PIXELS else 1.0
            if longest is not None:
                scale = min(scale, longest / max(image.size))
            image.draft(None, (round(image.width * scale), round(image.height * scale)))
        _read_alpha(image)
        image.load()
        return _clean(image)


def _read_animation(data: bytes) -> Animation | None:
    with open_image(data) as image:
        if image.format not in _ANIMATED_FORMATS or not getattr(image, "is_animated", False):
            return None
        _check_size(image, MAX_PIXELS)
        check_animation(image)
        _read_alpha(image)
        frames, durations = [], []
        # An animated PNG may begin with a fallback image for viewers without animation support.
        first = 1 if image.info.get("default_image") or getattr(image, "default_image", False) else 0
        loop = image.info.get("loop", None if image.format == "GIF" else 0)
        for number in range(first, getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            frames.append(_clean(image))
            durations.append(int(image.info.get("duration") or 0))
    if len(frames) < 2:  # noqa: PLR2004 (one frame is a still image)
        return None
    if len({frame.mode for frame in frames}) > 1:
        frames = [frame.convert("RGBA") for frame in frames]
    elif all(frame.mode == "RGBA" and frame.getchannel("A").getextrema()[0] == _OPAQUE for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    return Animation(frames, durations, loop)


def _read_alpha(image: Image.Image) -> None:
    """Read an animated WebP with its transparency.

    If its frames are opaque and cover only parts of the canvas, its header declares no transparency, and Pillow reads
    RGB although the decoder returns RGBA.
    """
    if image.format == "WEBP" and image.mode == "RGB" and getattr(image, "is_animated", False):
        image._mode = image.rawmode = "RGBA"  # type: ignore[attr-defined]  # noqa: SLF001


def _check_size(image: Image.Image, limit: int) -> None:
    if image.width * image.height > limit:
        raise UnreadableError(f"It has more than {limit // 1_000_000} million pixels")


def _clean(image: Image.Image) -> Image.Image:
    """Return a new image: upright, in sRGB, 8 bits per channel, RGB or RGBA, without metadata."""
    profile = image.info.get("icc_profile")
    clean = _in_srgb(_eight_bits(_upright(image)), profile)
    if clean is image:
        clean = image.copy()
    clean.info.clear()
    clean.getexif().clear()
    return clean


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DECODER_ERRORS:
        return image  # Unreadable metadata is ignored.


def _eight_bits(image: Image.Image) -> Image.Image:
    transparency = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        gray = image.point(lambda value: value * (1 / 257) + 0.5).convert("L")  # type: ignore[operator, unused-ignore]
        gray.info = {name: value for name, value in image.info.items() if name != "transparency"}
        return gray
    if isinstance(transparency, tuple) and max(transparency, default=0) > 255:  # noqa: PLR2004 (8 bits)
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in transparency)
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if profile:
        try:
            converted = _converted(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), mode)
        except (ImageCms.PyCMSError, *_DECODER_ERRORS):
            converted = None  # A profile that does not match its image is ignored.
        if converted is not None:
            return converted
    return image if image.mode == mode else image.convert(mode)


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile, mode: str) -> Image.Image | None:
    """Convert an image to sRGB; None if the profile has another color space than the image."""
    space = _MODES.get(profile.profile.xcolor_space.strip())
    fits = {"CMYK": image.mode == "CMYK", "L": image.mode in _GRAY_MODES, "RGB": image.mode != "CMYK"}
    if space is None or not fits[space]:
        return None
    alpha = image.convert("RGBA").getchannel("A") if mode == "RGBA" else None
    source = image if image.mode == space else image.convert("RGB").convert(space)
    converted = ImageCms.profileToProfile(source, profile, _SRGB, outputMode="RGB")
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted
