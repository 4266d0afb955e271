"""Tasks of the image workers: functions of file bytes, run in a process that may be killed at any time."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import cv2
from PIL import Image

from bentos.model_files import ModelFiles
from models.vision import images
from models.vision.cropping import crop
from models.vision.faces import Boxes
from models.vision.image_analysis import blur_hash
from models.vision.images import EncodedImage, Pixels
from models.vision.predictor import VisionModels
from neighborconnect.contracts.vision import (
    AnonymizationMethod,
    Face,
    FaceDetectionResponse,
    ImageAnalysisResponse,
    ImageRendition,
    PictureFormat,
    ThumbnailResponse,
)

_ANALYSIS_EDGE = 1_280
"""Longer side, in pixels, of the picture that the networks receive."""
_QUALITY = {PictureFormat.JPEG: 86, PictureFormat.WEBP: 82, PictureFormat.AVIF: 72}


@lru_cache(maxsize=1)
def open_models(model_files: ModelFiles) -> VisionModels:
    """Return the networks of a version, opened once per process."""
    cv2.setNumThreads(1)
    return VisionModels(model_files.folder, model_version=model_files.model_version)


def optimize(
    data: bytes, *, as_format: PictureFormat, max_edge: int, quality: int | None
) -> tuple[ImageRendition, bytes]:
    """Re-encode a picture; raises ``UnreadableError`` for a file that is not a picture."""
    image = images.read(data, max_edge=max_edge)
    encoded = images.optimize(image, as_format=as_format, max_edge=max_edge, quality=quality)
    return ImageRendition(**_fields(encoded, as_format)), encoded.data


def thumbnail(
    data: bytes, *, as_format: PictureFormat, width: int, height: int, model_files: ModelFiles | None
) -> tuple[ThumbnailResponse, bytes]:
    """Crop a picture to its salient part and scale it; without model files faces do not count as salient."""
    # Twice the requested size is enough, whichever part is cropped.
    image = images.read(data, max_edge=max(_ANALYSIS_EDGE, 2 * max(width, height)))
    fields, encoded = encode_thumbnail(
        images.pixels_of(image), as_format=as_format, width=width, height=height, model_files=model_files
    )
    return ThumbnailResponse(**fields), encoded


def encode_thumbnail(
    pixels: Pixels, *, as_format: PictureFormat, width: int, height: int, model_files: ModelFiles | None
) -> tuple[dict[str, Any], bytes]:
    """Return the fields of a ``ThumbnailResponse``, and the encoded thumbnail."""
    faces: Boxes = open_models(model_files).faces(pixels) if model_files else Boxes((0, 5))
    left, top, right, bottom = crop(pixels, faces, width=width, height=height)
    cropped = Image.fromarray(pixels[top:bottom, left:right])
    # A part smaller than requested is not enlarged: that adds no information.
    size = (width, height) if cropped.width >= width and cropped.height >= height else cropped.size
    scaled, quality = images.resize(cropped, size), _QUALITY[as_format]
    encoded = EncodedImage(images.encode(scaled, as_format=as_format, quality=quality), *size, quality, None)
    fields = _fields(encoded, as_format) | {
        "blur_hash": blur_hash(images.pixels_of(scaled)),
        "model_version": model_files.model_version if model_files else None,
    }
    return fields, encoded.data


def detect_faces(
    data: bytes, *, anonymization: AnonymizationMethod | None, model_files: ModelFiles
) -> tuple[FaceDetectionResponse, bytes | None]:
    """Detect faces, and encode an anonymized copy where a method is given."""
    models, image = open_models(model_files), images.read(data)
    pixels = images.pixels_of(image)
    boxes = models.faces(pixels)
    response = FaceDetectionResponse(model_version=models.model_version, faces=_relative(boxes, pixels))
    if anonymization is None:
        return response, None
    anonymized, _ = models.anonymize_faces(pixels, method=anonymization)
    copy, quality = Image.fromarray(anonymized), _QUALITY[PictureFormat.JPEG]
    encoded = EncodedImage(
        images.encode(copy, as_format=PictureFormat.JPEG, quality=quality), *copy.size, quality, None
    )
    rendition = ImageRendition(**_fields(encoded, PictureFormat.JPEG), model_version=models.model_version)
    return response.model_copy(update={"anonymized": rendition}), encoded.data


def analyze(data: bytes, *, model_files: ModelFiles) -> ImageAnalysisResponse:
    """Run every network and measure on a picture."""
    models = open_models(model_files)
    analysis = models.analyze(images.pixels_of(images.read(data, max_edge=_ANALYSIS_EDGE)))
    return ImageAnalysisResponse(
        model_version=models.model_version,
        labels=[{"label": name, "score": score} for name, score in analysis.labels],
        classes=[{"label": name, "score": score} for name, score in analysis.classes],
        verdict=models.policy.verdict(analysis.nsfw),
        colors=[{"color": name, "share": share} for name, share in analysis.colors],
        nsfw=analysis.nsfw,
        face_count=analysis.face_count,
        perceptual_hash=analysis.perceptual_hash,
        blur_hash=analysis.blur_hash,
        alt_text=analysis.alt_text,
        **asdict(analysis.quality),
    )


def _relative(boxes: Boxes, pixels: Pixels) -> list[Face]:
    """Return boxes in pixels as fractions of the picture's width and height."""
    height, width = pixels.shape[:2]
    return [
        Face(
            left=left / width,
            top=top / height,
            width=(right - left) / width,
            height=(bottom - top) / height,
            score=min(score, 1.0),
        )
        for left, top, right, bottom, score in boxes.tolist()
    ]


def _fields(encoded: EncodedImage, as_format: PictureFormat) -> dict[str, Any]:
    return {
        "width": encoded.width,
        "height": encoded.height,
        "bytes": len(encoded.data),
        "content_type": as_format.content_type,
        "quality": encoded.quality,
        "ssim": encoded.ssim,
    }
