"""Reading a file that a stranger sent as a picture, and writing one that is small and says nothing of its maker."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from neighborconnect.contracts.vision import MAX_EDGE, PictureFormat
from neighborconnect.decoding import open_image
from neighborconnect.sandbox import UnreadableError

MAX_BYTES = 40 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 150_000_000
"""JPEG alone can be read at an eighth of its size without ever being whole in memory."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I", "F")
_SRGB = ImageCms.createProfile("sRGB")

Pixels = NDArray[np.uint8]
"""Height, width, and red, green and blue."""


@dataclass(frozen=True, slots=True)
class Written:
    """A written picture; ``ssim`` is how like it is to what it was made of, 1 being the same."""

    data: bytes
    width: int
    height: int
    quality: int
    ssim: float | None


def read(data: bytes, *, longest: int = MAX_EDGE) -> Image.Image:
    """Return the picture: upright, in sRGB, RGB or RGBA, 8 bits, its first frame if it moves, without metadata.

    Args:
        data: the file.
        longest: pixels of its longer side at most.

    Raises:
        UnreadableError: when it is none, is damaged or cut off, or has too many pixels; it says which.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"It is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        return _read(data, longest)
    except UnidentifiedImageError:
        raise UnreadableError("It is no picture that we know") from None
    except UnreadableError:
        raise
    except MemoryError:
        raise UnreadableError("It takes more memory than a picture may") from None
    except (OSError, ValueError, SyntaxError, IndexError, KeyError, EOFError, OverflowError, TypeError) as error:
        raise UnreadableError("It is damaged or cut off") from error


def _read(data: bytes, longest: int) -> Image.Image:
    with open_image(data, formats=_FORMATS) as image:
        pixels = image.width * image.height
        limit = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
        if pixels > limit:
            raise UnreadableError(f"It has more than {limit // 1_000_000} million pixels")
        if image.format == "JPEG":
            # Of the shape of the picture: what is asked for is what both sides must have at least.
            scale = min(1.0, longest / max(image.size))
            image.draft(None, (round(image.width * scale), round(image.height * scale)))
        profile = image.info.get("icc_profile")
        ImageOps.exif_transpose(image, in_place=True)
        image.load()
        clean = shrunk(_in_srgb(_eight_bits(image), profile), longest=longest)
        if clean is image:
            clean = image.copy()  # What was opened keeps its file's metadata.
    clean.info.clear()
    return clean


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image, dtype=np.float32)
        brightest = float(values.max(initial=0))
        top = 65_535.0 if image.mode.startswith("I") and brightest > 255 else max(brightest, 1.0)  # noqa: PLR2004
        return Image.fromarray((np.clip(values / top, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = "A" in image.getbands() or "transparency" in image.info
    if profile and not alpha:
        try:
            there = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, there, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # A profile that does not fit its picture is worth nothing.
        if converted is not None:
            return converted
    return _in_mode(image, "RGBA" if alpha else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return the picture itself where it is in the mode: Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


def shrunk(image: Image.Image, *, longest: int) -> Image.Image:
    """Return a copy whose longer side has so many pixels, or the picture itself where it is not longer."""
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return resized(image, size)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a copy of this width and height. Areas are averaged: as good as Lanczos when shrinking, and faster."""
    return Image.fromarray(cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA))


def pixels_of(image: Image.Image) -> Pixels:
    """Return the pixels on white where the picture is transparent."""
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(_in_mode(image, "RGB"), dtype=np.uint8)


_FASTEST_AVIF = 8


def write(image: Image.Image, *, as_format: PictureFormat, quality: int) -> bytes:
    """Write a picture without metadata.

    Args:
        image: RGB or RGBA.
        as_format: JPEG has no transparency: what is transparent becomes white.
        quality: 1 to 100, of the format's own scale.
    """
    data = io.BytesIO()
    match as_format:
        case PictureFormat.JPEG:
            flat = image if image.mode == "RGB" else Image.fromarray(pixels_of(image))
            flat.save(data, format="JPEG", quality=quality, optimize=True, progressive=True)
        case PictureFormat.WEBP:
            image.save(data, format="WEBP", quality=quality, method=4)
        case PictureFormat.AVIF:
            image.save(data, format="AVIF", quality=quality, speed=_FASTEST_AVIF)
    return data.getvalue()


_TARGET_SSIM = 0.97
_PROXY = 640
_QUALITIES = (40, 48, 56, 64, 72, 80, 86, 92)


def optimize(
    image: Image.Image, *, as_format: PictureFormat, longest: int = MAX_EDGE, quality: int | None = None
) -> Written:
    """Write a picture as small as it looks the same.

    The lowest quality is taken whose structural similarity (Wang et al., 2004; luminance, 11 pixels) reaches .97 on
    a copy of 640 pixels; what was reached on the whole picture is said.

    Args:
        image: RGB or RGBA.
        as_format: what to write.
        longest: pixels of its longer side at most.
        quality: to write with instead; then nothing is compared.
    """
    small = shrunk(image, longest=longest)
    if quality is not None:
        return Written(write(small, as_format=as_format, quality=quality), *small.size, quality, None)
    proxy = shrunk(small, longest=_PROXY)
    low, high = 0, len(_QUALITIES) - 1
    while low < high:
        middle = (low + high) // 2
        tried = write(proxy, as_format=as_format, quality=_QUALITIES[middle])
        low, high = (low, middle) if ssim(proxy, tried) >= _TARGET_SSIM else (middle + 1, high)
    chosen = _QUALITIES[low]
    data = write(small, as_format=as_format, quality=chosen)
    return Written(data, *small.size, chosen, round(ssim(small, data), 4))


_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03
_SSIM_WINDOW = (11, 11)


def ssim(image: Image.Image, data: bytes) -> float:
    """Return how like a written picture is to what it was written from: the mean structural similarity."""
    with open_image(data, formats=_FORMATS) as written:
        one, other = (cv2.cvtColor(pixels_of(each), cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (image, written))

    def blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, _SSIM_WINDOW, _SIGMA), dtype=np.float32)

    c1, c2 = (_K1 * 255) ** 2, (_K2 * 255) ** 2
    mean_one, mean_other = blurred(one), blurred(other)
    spread_one, spread_other = blurred(one * one) - mean_one**2, blurred(other * other) - mean_other**2
    shared = blurred(one * other) - mean_one * mean_other
    like = (2 * mean_one * mean_other + c1) * (2 * shared + c2)
    return float((like / ((mean_one**2 + mean_other**2 + c1) * (spread_one + spread_other + c2))).mean())
