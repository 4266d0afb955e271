"""Request and response models of stories and reels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictInt, StringConstraints

from transactional_api.core.media.attachments import AttachedMedia, HasAttachments
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person

HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400
_CONNECTOR = "0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"
_MEDIA = "3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"


class NewStory(RequestBody):
    """Story: an image or video of yours that expires."""

    connector_id: UUID = Field(examples=[_CONNECTOR])
    media_id: UUID = Field(description="A processed upload of yours.", examples=[_MEDIA])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["First tomatoes"])
    content: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(default=None, examples=["At last!"])
    duration_seconds: StrictInt = Field(
        default=DAY_SECONDS,
        ge=HOUR_SECONDS,
        le=3 * DAY_SECONDS,
        description="Lifetime in seconds, from 1 hour to 3 days.",
        examples=[DAY_SECONDS],
    )


class NewReel(RequestBody):
    """Reel: a short video of yours that does not expire."""

    connector_id: UUID = Field(examples=[_CONNECTOR])
    media_id: UUID = Field(description="A processed video of yours.", examples=[_MEDIA])
    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Grafting in a minute"])
    description: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(
        default=None, examples=["Use a sharp knife."]
    )


class _StoryOrReel(HasAttachments):
    id: UUID = Field(examples=["8a7f3a52-3a59-4a4e-9e8c-2c8e4d7f3b11"])
    connector_id: UUID = Field(examples=[_CONNECTOR])
    author_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    author: Person
    title: str = Field(examples=["First tomatoes"])
    media_id: UUID = Field(examples=[_MEDIA])
    media: AttachedMedia | None = Field(default=None, description="The upload; null after its deletion.")
    thumbnail_url: str | None = Field(
        default=None,
        description="Valid for an hour.",
        examples=["https://cdn.example.org/3c1f-320.webp?expires=1&signature=ab"],
    )
    view_count: int = Field(description="Users who viewed it.", examples=[31])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])

    def references(self) -> list[UUID]:
        """Return the id of the upload to look up."""
        return [self.media_id]

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the upload, if it still exists."""
        self.media = media[0] if media else None
        thumbnails = self.media.thumbnails if self.media else {}
        self.thumbnail_url = thumbnails[min(thumbnails, key=int)] if thumbnails else None


class StoryOut(_StoryOrReel):
    """A story."""

    content: str | None = Field(examples=["At last!"])
    media_url: str | None = Field(
        default=None,
        description="Valid for an hour; null after deletion of the upload.",
        examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"],
    )
    duration_seconds: int = Field(description="Lifetime in seconds.", examples=[DAY_SECONDS])
    expires_at: datetime = Field(examples=["2026-03-02T09:30:00Z"])

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the upload, if it still exists."""
        super().show(media)
        self.media_url = self.media.url if self.media else None


class ReelOut(_StoryOrReel):
    """A reel."""

    description: str | None = Field(examples=["Use a sharp knife."])
    video_url: str | None = Field(
        default=None,
        description="Valid for an hour; null after deletion of the upload.",
        examples=["https://cdn.example.org/3c1f.mp4?expires=1&signature=ab"],
    )
    duration_seconds: float | None = Field(description="Duration of the video in seconds.", examples=[45.2])
    like_count: int = Field(examples=[12])
    liked: bool = Field(description="Whether you like it.", examples=[False])

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the upload, if it still exists."""
        super().show(media)
        self.video_url = self.media.url if self.media else None
