"""What the workers do with a picture: functions of bytes, which end with the process that runs them if need be."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import cv2
from PIL import Image

from bentos.version_files import VersionFiles
from models.vision import pictures
from models.vision.cropping import crop
from models.vision.faces import Boxes
from models.vision.pictures import Pixels, Written
from models.vision.predictor import Eyes
from models.vision.seeing import blur_hash
from neighborconnect.contracts.vision import (
    CopyAnswer,
    Face,
    FacesAnswer,
    Hiding,
    PictureFormat,
    SeenAnswer,
    ThumbnailAnswer,
)

_LOOKED_AT = 1_280
"""Pixels of the longest side that networks look at."""
_QUALITY = {PictureFormat.JPEG: 86, PictureFormat.WEBP: 82, PictureFormat.AVIF: 72}


@lru_cache(maxsize=1)
def eyes_of(version: VersionFiles) -> Eyes:
    """Return the networks of a version, opened once in each process."""
    cv2.setNumThreads(1)
    return Eyes(version.folder, model_version=version.model_version)


def optimize(data: bytes, *, as_format: PictureFormat, longest: int, quality: int | None) -> tuple[CopyAnswer, bytes]:
    """Write a picture as small as it looks the same; raises ``UnreadableError`` for what is none."""
    image = pictures.read(data, longest=longest)
    written = pictures.optimize(image, as_format=as_format, longest=longest, quality=quality)
    return CopyAnswer(**_of(written, as_format)), written.data


def thumbnail(
    data: bytes, *, as_format: PictureFormat, width: int, height: int, version: VersionFiles | None
) -> tuple[ThumbnailAnswer, bytes]:
    """Write the part of a picture that matters; without a version faces do not count."""
    # Twice as large as shown is enough, whichever part it is.
    image = pictures.read(data, longest=max(_LOOKED_AT, 2 * max(width, height)))
    made = small_copy(pictures.pixels_of(image), as_format=as_format, width=width, height=height, version=version)
    return ThumbnailAnswer(**made[0]), made[1]


def small_copy(
    pixels: Pixels, *, as_format: PictureFormat, width: int, height: int, version: VersionFiles | None
) -> tuple[dict[str, Any], bytes]:
    """Return the fields of a thumbnail's answer, and the thumbnail."""
    faces: Boxes = eyes_of(version).faces(pixels) if version else Boxes((0, 5))
    left, top, right, bottom = crop(pixels, faces, width=width, height=height)
    cut = Image.fromarray(pixels[top:bottom, left:right])
    # What is smaller than asked stays so: enlarging adds nothing.
    size = (width, height) if cut.width >= width and cut.height >= height else cut.size
    small, quality = pictures.resized(cut, size), _QUALITY[as_format]
    written = Written(pictures.write(small, as_format=as_format, quality=quality), *size, quality, None)
    told = _of(written, as_format) | {
        "blur_hash": blur_hash(pictures.pixels_of(small)),
        "model_version": version.model_version if version else None,
    }
    return told, written.data


def faces(data: bytes, *, hide: Hiding | None, version: VersionFiles) -> tuple[FacesAnswer, bytes | None]:
    """Find faces, and write a copy that hides them where a way is named."""
    eyes, image = eyes_of(version), pictures.read(data)
    whole = pictures.pixels_of(image)
    found = eyes.faces(whole)
    answer = FacesAnswer(model_version=eyes.model_version, faces=_shares(found, whole))
    if hide is None:
        return answer, None
    hidden, _ = eyes.hide_faces(whole, how=hide)
    quality = _QUALITY[PictureFormat.JPEG]
    copy = Image.fromarray(hidden)
    written = Written(pictures.write(copy, as_format=PictureFormat.JPEG, quality=quality), *copy.size, quality, None)
    told = CopyAnswer(**_of(written, PictureFormat.JPEG), model_version=eyes.model_version)
    return answer.model_copy(update={"written": told}), written.data


def look(data: bytes, *, version: VersionFiles) -> SeenAnswer:
    """Say all that is to be seen in a picture."""
    eyes = eyes_of(version)
    seen = eyes.look(pictures.pixels_of(pictures.read(data, longest=_LOOKED_AT)))
    return SeenAnswer(
        model_version=eyes.model_version,
        labels=[{"label": name, "score": score} for name, score in seen.labels],
        classes=[{"label": name, "score": score} for name, score in seen.classes],
        verdict=eyes.policy.verdict(seen.nsfw),
        colours=[{"colour": name, "share": share} for name, share in seen.colours],
        nsfw=seen.nsfw,
        faces=seen.faces,
        perceptual_hash=seen.perceptual_hash,
        blur_hash=seen.blur_hash,
        alt_text=seen.alt_text,
        **asdict(seen.quality),
    )


def _shares(found: Boxes, pixels: Pixels) -> list[Face]:
    height, width = pixels.shape[:2]
    return [
        Face(
            left=left / width,
            top=top / height,
            width=(right - left) / width,
            height=(bottom - top) / height,
            score=min(score, 1.0),
        )
        for left, top, right, bottom, score in found.tolist()
    ]


def _of(written: Written, as_format: PictureFormat) -> dict[str, Any]:
    return {
        "width": written.width,
        "height": written.height,
        "bytes": len(written.data),
        "content_type": as_format.content_type,
        "quality": written.quality,
        "ssim": written.ssim,
    }
