"""What is seen in pictures and videos, on the wire."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, model_validator

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    MAX_EDGE,
    MIN_THUMBNAIL,
    Colour,
    Face,
    Hiding,
    Label,
    PictureFormat,
    Shot,
    SoundPart,
    VideoSpan,
)
from transactional_api.answers import Answered
from transactional_api.media.processing import THUMBNAILS
from transactional_api.media.schemas import MediaBody

_LINK = "https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"
_SPRITE = "https://cdn.example.org/3c1f-sheet.webp?expires=1&signature=ab"
_FORMAT = Field(default=PictureFormat.WEBP, examples=["avif"])


class OptimizeBody(MediaBody):
    """One picture of your own, and what to write it as."""

    format: PictureFormat = _FORMAT
    longest: StrictInt = Field(
        default=MAX_EDGE, ge=1, le=MAX_EDGE, description="Pixels of the longer side at most.", examples=[1_600]
    )


class ThumbnailBody(MediaBody):
    """One upload of your own, and how wide a copy is wanted; with a height also of which shape."""

    width: StrictInt = Field(default=THUMBNAILS[0], ge=1, le=MAX_EDGE, description="Pixels.", examples=[320])
    height: StrictInt | None = Field(
        default=None,
        ge=MIN_THUMBNAIL,
        le=MAX_EDGE,
        description="Pixels; the copy then shows the part that matters. Without it, it shows the whole.",
        examples=[320],
    )
    format: PictureFormat = _FORMAT

    @model_validator(mode="after")
    def _is_wide_enough(self) -> Self:
        if self.height is not None and self.width < MIN_THUMBNAIL:
            raise ValueError(f"with a height the width is {MIN_THUMBNAIL} pixels at least")
        return self


class FacesBody(MediaBody):
    """One picture of your own, and whether you want a copy in which nobody is known by their face."""

    hide: Hiding | None = Field(default=None, examples=["blur"])


class Copy(Answered):
    """A copy of an upload. Without the service it is the nearest one that the platform keeps anyway."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    url: str = Field(description="Good for an hour.", examples=[_LINK])
    width: int | None = Field(description="Pixels; of a thumbnail of the whole at most.", examples=[320])
    height: int | None = Field(default=None, examples=[240])
    bytes: int | None = Field(default=None, examples=[18_204])
    content_type: str | None = Field(default=None, examples=["image/webp"])
    ssim: float | None = Field(default=None, description="How like the upload it is; 1 is the same.", examples=[0.974])
    blur_hash: str | None = Field(default=None, examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"])


class VideoCopy(Copy):
    """A still picture of a video: its best moment, with a sheet of small pictures to find one's way by."""

    second: float | None = Field(default=None, description="What moment it shows.", examples=[3.2])
    sprite_url: str | None = Field(default=None, examples=[_SPRITE])
    sprite_columns: int | None = Field(default=None, examples=[5])
    sprite_rows: int | None = Field(default=None, examples=[5])
    sprite_every_seconds: float | None = Field(default=None, examples=[0.6])


class Faces(Answered):
    """The faces of a picture, in shares of its width and height; none where no model answered, which says nothing."""

    faces: list[Face]
    hidden: Copy | None = Field(default=None, description="The copy without faces, where one was asked for.")


class Labels(Answered):
    """What is to be seen in a picture; nothing where no model answered."""

    labels: list[Label]
    classes: list[Label] = Field(default=[], description="Things, of ImageNet's thousand.")
    verdict: Verdict | None = Field(default=None, description="What moderation does with it.", examples=["allow"])
    nsfw: float | None = Field(default=None, description="How likely it is not for everybody.", examples=[0.01])
    faces: int | None = Field(default=None, examples=[2])
    faults: list[str] = Field(default=[], description="Of how it was taken.", examples=[["blurred"]])
    colours: list[Colour] = Field(default=[])
    perceptual_hash: str | None = Field(default=None, examples=["c3b1a59e1c6a7d02"])
    blur_hash: str | None = Field(default=None, examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"])
    alt_text: str | None = Field(default=None, examples=["Picture, perhaps of a person and a bicycle"])


class VideoFacts(Answered):
    """What a video is, and what is to be seen and heard in it."""

    seconds: float | None = Field(examples=[44.8])
    width: int | None = Field(examples=[1280])
    height: int | None = Field(examples=[720])
    frames_a_second: float | None = Field(default=None, examples=[30.0])
    codec: str | None = Field(default=None, examples=["h264"])
    audio_codec: str | None = Field(default=None, examples=["aac"])
    labels: list[Label] = Field(default=[])
    shots: list[Shot] = Field(default=[], description="The parts between two cuts.")
    sounds: list[SoundPart] = Field(default=[])


class VideoModeration(Answered):
    """What moderation would do with a video, and for which parts; without a model a person is asked."""

    verdict: Verdict = Field(examples=["review"])
    nsfw: float | None = Field(default=None, examples=[0.02])
    timeline: list[VideoSpan] = Field(default=[])


class Cancelled(BaseModel):
    """What is done of a video stays."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    renditions: list[str] = Field(description="Those that are done.", examples=[["h264-240"]])
