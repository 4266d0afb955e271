"""Stories and reels on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, StringConstraints

from transactional_api.text import Line, RequestBody, Text

_CONNECTOR = "0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"
_MEDIA = "3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"


class NewStory(RequestBody):
    """A story: a picture or video of your own that is there for some hours."""

    connector_id: UUID = Field(examples=[_CONNECTOR])
    media_id: UUID = Field(description="An upload of yours that is ready.", examples=[_MEDIA])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["First tomatoes"])
    content: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(default=None, examples=["At last!"])
    duration: StrictInt = Field(default=24, ge=1, le=72, description="Hours.", examples=[24])


class NewReel(RequestBody):
    """A reel: a short video of your own that stays."""

    connector_id: UUID = Field(examples=[_CONNECTOR])
    media_id: UUID = Field(description="A video of yours that is ready.", examples=[_MEDIA])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Grafting in a minute"])
    description: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(
        default=None, examples=["Use a sharp knife."]
    )


class _Moment(BaseModel):
    id: UUID = Field(examples=["8a7f3a52-3a59-4a4e-9e8c-2c8e4d7f3b11"])
    connector_id: UUID = Field(examples=[_CONNECTOR])
    author_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    title: str = Field(examples=["First tomatoes"])
    media_id: UUID = Field(examples=[_MEDIA])
    thumbnail_url: str | None = Field(
        description="Good for an hour.", examples=["https://cdn.example.org/3c1f-320.webp?expires=1&signature=ab"]
    )
    views: int = Field(description="People, each once.", examples=[31])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class StoryOut(_Moment):
    """A story."""

    content: str | None = Field(examples=["At last!"])
    media_url: str | None = Field(
        description="Good for an hour; null once the upload is gone.",
        examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"],
    )
    duration: int = Field(description="Hours.", examples=[24])
    expires_at: datetime = Field(examples=["2026-03-02T09:30:00Z"])


class ReelOut(_Moment):
    """A reel."""

    description: str | None = Field(examples=["Use a sharp knife."])
    video_url: str | None = Field(
        description="Good for an hour; null once the upload is gone.",
        examples=["https://cdn.example.org/3c1f.mp4?expires=1&signature=ab"],
    )
    duration: str | None = Field(description="Minutes and seconds.", examples=["0:45"])
    likes: int = Field(examples=[12])
    liked: bool = Field(description="By the viewer.", examples=[False])
