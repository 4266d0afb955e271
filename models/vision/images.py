"""Decoding of untrusted picture files, and encoding of small pictures without metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from neighborconnect.contracts.vision import MAX_EDGE, PictureFormat
from neighborconnect.decoding import open_image
from neighborconnect.pictures import read_picture
from neighborconnect.sandbox import UnreadableError

MAX_BYTES = 40 * 1024 * 1024

Pixels = NDArray[np.uint8]
"""``[H, W, 3]``, RGB."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """Encoded picture; ``ssim`` is its structural similarity to the source, 1 for identical; None when not measured."""

    data: bytes
    width: int
    height: int
    quality: int
    ssim: float | None


def read(data: bytes, *, max_edge: int = MAX_EDGE) -> Image.Image:
    """Decode a picture with ``neighborconnect.pictures``, and downscale it.

    Args:
        data: the file.
        max_edge: maximum length of the longer side, in pixels.

    Raises:
        UnreadableError: when the file is not a picture, is damaged or truncated, or has too many pixels.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"It is larger than {MAX_BYTES // 1024**2} MiB")
    return downscale(read_picture(data, longest=max_edge), max_edge=max_edge)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return the picture itself if it has the mode: Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


def downscale(image: Image.Image, *, max_edge: int) -> Image.Image:
    """Return a copy with a longer side of ``max_edge`` pixels, or the picture itself if it is not larger."""
    scale = max_edge / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return resize(image, size)


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a copy of this width and height; area averaging is as good as Lanczos for downscaling, and faster."""
    return Image.fromarray(cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA))


def pixels_of(image: Image.Image) -> Pixels:
    """Return the pixels; transparent areas become white."""
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(_in_mode(image, "RGB"), dtype=np.uint8)


_FASTEST_AVIF = 8


def encode(image: Image.Image, *, as_format: PictureFormat, quality: int) -> bytes:
    """Encode a picture without metadata.

    Args:
        image: RGB or RGBA.
        as_format: output format; JPEG has no transparency, so transparent areas become white.
        quality: 1 to 100, on the scale of the format.
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
    image: Image.Image, *, as_format: PictureFormat, max_edge: int = MAX_EDGE, quality: int | None = None
) -> EncodedImage:
    """Encode a picture at the lowest quality that is visually lossless.

    Binary search for the lowest quality whose SSIM reaches 0.97 on a copy of 640 pixels; the result has the SSIM of the
    full picture.

    Args:
        image: RGB or RGBA.
        as_format: output format.
        max_edge: maximum length of the longer side, in pixels.
        quality: fixed quality; SSIM is not measured then.
    """
    small = downscale(image, max_edge=max_edge)
    if quality is not None:
        return EncodedImage(encode(small, as_format=as_format, quality=quality), *small.size, quality, None)
    proxy = downscale(small, max_edge=_PROXY)
    low, high = 0, len(_QUALITIES) - 1
    while low < high:
        middle = (low + high) // 2
        tried = encode(proxy, as_format=as_format, quality=_QUALITIES[middle])
        low, high = (low, middle) if ssim(proxy, tried) >= _TARGET_SSIM else (middle + 1, high)
    chosen = _QUALITIES[low]
    data = encode(small, as_format=as_format, quality=chosen)
    return EncodedImage(data, *small.size, chosen, round(ssim(small, data), 4))


_SSIM_SIGMA, _SSIM_WINDOW = 1.5, 11


def ssim(image: Image.Image, data: bytes) -> float:
    """Return the mean structural similarity of an encoded picture to its source.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    2004: luminance, Gaussian window of 11 pixels with a standard deviation of 1.5.
    """
    with open_image(data) as encoded:
        source, copy = (
            _at_least(cv2.cvtColor(pixels_of(each), cv2.COLOR_RGB2GRAY).astype(np.float32), _SSIM_WINDOW)
            for each in (image, encoded)
        )
    similarity = structural_similarity(  # type: ignore[no-untyped-call]
        source, copy, gaussian_weights=True, sigma=_SSIM_SIGMA, use_sample_covariance=False, data_range=255
    )
    return float(similarity)


def _at_least(luminance: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Extend a picture that is smaller than the window, by its border pixels."""
    missing = [(0, max(0, side - length)) for length in luminance.shape]
    return np.pad(luminance, missing, mode="edge")
