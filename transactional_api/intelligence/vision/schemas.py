"""Request and response models of image and video analysis."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, model_validator

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    MAX_EDGE,
    MIN_THUMBNAIL,
    AnonymizationMethod,
    AudioSegment,
    Color,
    Face,
    Label,
    PictureFormat,
    Shot,
    VideoSpan,
)
from transactional_api.community.media.schemas import MediaReference
from transactional_api.core.inference.client import PredictionResult
from transactional_api.core.media.processing import THUMBNAILS

_LINK = "https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"
_SPRITE = "https://cdn.example.org/3c1f-sheet.webp?expires=1&signature=ab"
_FORMAT = Field(default=PictureFormat.WEBP, examples=["avif"])


class OptimizeBody(MediaReference):
    """Image to optimize, and the output format."""

    format: PictureFormat = _FORMAT
    max_edge: StrictInt = Field(
        default=MAX_EDGE,
        ge=1,
        le=MAX_EDGE,
        description="Maximum length of the longer side in pixels.",
        examples=[1_600],
    )


class ThumbnailBody(MediaReference):
    """Upload and size of a thumbnail; with a height, the thumbnail is cropped."""

    width: StrictInt = Field(default=THUMBNAILS[0], ge=1, le=MAX_EDGE, description="Width in pixels.", examples=[320])
    height: StrictInt | None = Field(
        default=None,
        ge=MIN_THUMBNAIL,
        le=MAX_EDGE,
        description="Height in pixels; crops the thumbnail to the salient part. Null for the whole image.",
        examples=[320],
    )
    format: PictureFormat = _FORMAT

    @model_validator(mode="after")
    def _is_wide_enough(self) -> Self:
        if self.height is not None and self.width < MIN_THUMBNAIL:
            raise ValueError(f"with a height, the width must be at least {MIN_THUMBNAIL} pixels")
        return self


class FacesBody(MediaReference):
    """Image, and the anonymization method if an anonymized copy is requested."""

    anonymization: AnonymizationMethod | None = Field(default=None, examples=["blur"])


class RenditionResult(PredictionResult):
    """Rendition of an upload; without the vision service, the closest stored one."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    url: str = Field(description="Valid for an hour.", examples=[_LINK])
    width: int | None = Field(
        description="Width in pixels; an upper bound for a thumbnail of the whole image.", examples=[320]
    )
    height: int | None = Field(default=None, examples=[240])
    bytes: int | None = Field(default=None, examples=[18_204])
    content_type: str | None = Field(default=None, examples=["image/webp"])
    ssim: float | None = Field(
        default=None, description="Structural similarity to the upload; 1 is identical.", examples=[0.974]
    )
    blur_hash: str | None = Field(default=None, examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"])


class VideoPoster(RenditionResult):
    """Poster frame of a video, with a sprite sheet for seeking."""

    position_seconds: float | None = Field(
        default=None, description="Position of the frame in seconds.", examples=[3.2]
    )
    sprite_url: str | None = Field(default=None, examples=[_SPRITE])
    sprite_columns: int | None = Field(default=None, examples=[5])
    sprite_rows: int | None = Field(default=None, examples=[5])
    sprite_interval_seconds: float | None = Field(default=None, examples=[0.6])


class DetectedFaces(PredictionResult):
    """Faces in an image, relative to its width and height; empty if no model responded."""

    faces: list[Face]
    anonymized: RenditionResult | None = Field(
        default=None, description="The anonymized copy, where one was requested."
    )


class ImageLabels(PredictionResult):
    """Classification of an image; empty if no model responded."""

    labels: list[Label]
    classes: list[Label] = Field(default=[], description="ImageNet classes.")
    verdict: Verdict | None = Field(default=None, description="Moderation verdict.", examples=["allow"])
    nsfw: float | None = Field(default=None, description="Probability that it is not safe for work.", examples=[0.01])
    face_count: int | None = Field(default=None, examples=[2])
    quality_issues: list[str] = Field(
        default=[], description="Any of blurred, dark, overexposed and flat.", examples=[["blurred"]]
    )
    colors: list[Color] = Field(default=[])
    perceptual_hash: str | None = Field(default=None, examples=["c3b1a59e1c6a7d02"])
    blur_hash: str | None = Field(default=None, examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"])
    alt_text: str | None = Field(default=None, examples=["Picture, perhaps of a person and a bicycle"])


class VideoAnalysis(PredictionResult):
    """Technical data and content of a video."""

    duration_seconds: float | None = Field(examples=[44.8])
    width: int | None = Field(examples=[1280])
    height: int | None = Field(examples=[720])
    frame_rate: float | None = Field(default=None, examples=[30.0])
    codec: str | None = Field(default=None, examples=["h264"])
    audio_codec: str | None = Field(default=None, examples=["aac"])
    labels: list[Label] = Field(default=[])
    shots: list[Shot] = Field(default=[], description="Segments between cuts.")
    audio_segments: list[AudioSegment] = Field(default=[])


class VideoModeration(PredictionResult):
    """Moderation verdict of a video and its spans; `review` without a model."""

    verdict: Verdict = Field(examples=["review"])
    nsfw: float | None = Field(default=None, examples=[0.02])
    timeline: list[VideoSpan] = Field(default=[])


class CanceledProcessing(BaseModel):
    """Canceled processing; finished renditions remain."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    renditions: list[str] = Field(description="Names of the finished renditions.", examples=[["h264-240"]])
