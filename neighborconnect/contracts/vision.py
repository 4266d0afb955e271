"""The wire between the API and the image and video bentos."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.content import ModelAnswer, Verdict


class MediaRequest(BaseModel):
    """One upload, by a link that is good for some minutes; body ``{"request": ...}``."""

    model_config = ConfigDict(extra="forbid")

    media_id: str
    url: str


class Face(BaseModel):
    """Where a face is, in shares of the picture's width and height."""

    left: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)
    width: float = Field(ge=0, le=1)
    height: float = Field(ge=0, le=1)
    score: float = Field(ge=0, le=1)


class FacesAnswer(ModelAnswer):
    """The faces of a picture, the surest first: ``POST /detect-faces``."""

    faces: list[Face]


class Label(BaseModel):
    """What is to be seen, from 0 to 1."""

    label: str
    score: float = Field(ge=0, le=1)


class LabelsAnswer(ModelAnswer):
    """What is to be seen, the surest first: ``POST /classify`` of pictures, ``POST /analyze`` of videos."""

    labels: list[Label]


class MediaVerdict(ModelAnswer):
    """What moderation would do with a video: ``POST /moderate``."""

    verdict: Verdict
