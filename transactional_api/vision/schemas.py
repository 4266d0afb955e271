"""What is seen in pictures and videos, on the wire."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from neighborconnect.contracts.content import Verdict
from transactional_api.answers import Answered
from transactional_api.media.processing import THUMBNAILS
from transactional_api.media.schemas import MediaBody

_LINK = "https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"


class ThumbnailBody(MediaBody):
    """One upload of your own, and how wide a copy is wanted."""

    width: int = Field(default=THUMBNAILS[0], ge=1, le=4_096, description="Pixels.", examples=[320])


class Copy(BaseModel):
    """A copy of an upload that is as good as the platform makes it."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    url: str = Field(description="Good for an hour.", examples=[_LINK])
    width: int | None = Field(description="Pixels; of a thumbnail its longest side at most.", examples=[320])


class FaceOut(BaseModel):
    """Where a face is, in shares of the picture's width and height."""

    left: float = Field(examples=[0.31])
    top: float = Field(examples=[0.12])
    width: float = Field(examples=[0.2])
    height: float = Field(examples=[0.28])
    score: float = Field(examples=[0.97])


class Faces(Answered):
    """The faces of a picture; none where no model answered, which says nothing of the picture."""

    faces: list[FaceOut]


class LabelOut(BaseModel):
    """What is to be seen."""

    label: str = Field(examples=["garden"])
    score: float = Field(examples=[0.84])


class Labels(Answered):
    """What is to be seen; nothing where no model answered."""

    labels: list[LabelOut]


class VideoFacts(Labels):
    """What a video is, and what is to be seen in it."""

    seconds: float | None = Field(examples=[44.8])
    width: int | None = Field(examples=[1280])
    height: int | None = Field(examples=[720])


class VideoModeration(Answered):
    """What moderation would do with a video; without a model a person is asked."""

    verdict: Verdict = Field(examples=["review"])
