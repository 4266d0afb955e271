"""Attachments in responses: the uploads that a post, an item, a message or a connector references.

The response model of a slice derives from ``ShowsMedia`` or ``ShowsPicture`` and is created with ids only. The route
loads the uploads once per response and signs their links for the reader (``transactional_api.core.media.references``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from transactional_api.core.media.processing import MediaKind
from transactional_api.core.text import Link

MAX_ATTACHED = 10
_MEDIA = "3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"

OwnLink = Annotated[Link, StringConstraints(max_length=4_000)]
"""A link to an upload, as older clients send it; signatures make it long."""
NewMediaIds = Annotated[
    list[UUID] | None,
    Field(
        max_length=MAX_ATTACHED,
        description="Uploads of your own, in the order in which they are shown. They may still be processed.",
        examples=[[_MEDIA]],
    ),
]
NewMediaId = Annotated[
    UUID | None, Field(description="A picture of your own. It may still be processed.", examples=[_MEDIA])
]


class AttachedState(StrEnum):
    """Whether an attached upload is shown, and why not."""

    PENDING = "pending"
    UNDER_REVIEW = "under_review"
    READY = "ready"
    REFUSED = "refused"
    FAILED = "failed"


class AttachedMedia(BaseModel):
    """An upload that something shows. Its links are good for at least an hour; get it again for new ones."""

    id: UUID = Field(examples=[_MEDIA])
    kind: MediaKind | None = Field(description="Null until the file was sent.", examples=["image"])
    state: AttachedState = Field(
        description="Only `ready` has links for others; its owner sees it as soon as it is processed.",
        examples=["ready"],
    )
    url: str | None = Field(default=None, examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"])
    thumbnails: dict[str, str] = Field(
        default={},
        description="Links by width in pixels.",
        examples=[{"320": "https://cdn.example.org/3c1f-320.webp?expires=1&signature=ab"}],
    )
    width: int | None = Field(default=None, examples=[1600])
    height: int | None = Field(default=None, examples=[1200])
    duration_seconds: float | None = Field(default=None, description="Duration of a video in seconds.", examples=[None])
    blur_hash: str | None = Field(
        default=None, description="To show while it loads.", examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"]
    )
    alt_text: str | None = Field(
        default=None,
        description="A description for readers who cannot see it: the one of its author, or a suggested one.",
        examples=["Picture, perhaps of a person and a bicycle"],
    )


class HasAttachments(BaseModel):
    """A response that shows uploads; it is complete once ``show`` was called."""

    def references(self) -> list[UUID]:
        """Return the ids of the uploads to look up."""
        raise NotImplementedError

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the existing uploads, in the order of ``references``."""
        raise NotImplementedError


class ShowsMedia(HasAttachments):
    """A response that shows several uploads."""

    media_ids: list[UUID] = Field(default=[], description="The ids of `media`, for a write.", examples=[[_MEDIA]])
    media: list[AttachedMedia] = Field(default=[], description="Uploads, in the order in which they are shown.")

    def references(self) -> list[UUID]:
        """Return the ids of the uploads to look up."""
        return self.media_ids

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the existing uploads."""
        self.media, self.media_ids = list(media), [attachment.id for attachment in media]


class ShowsImage(ShowsMedia):
    """A response that shows several uploads, with the link of the first picture in ``image_url``."""

    image_url: str | None = Field(
        default=None,
        description="Link of the first picture that you may see, as in `media`.",
        examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"],
    )

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the existing uploads."""
        super().show(media)
        pictures = (attachment.url for attachment in media if attachment.kind is MediaKind.IMAGE)
        self.image_url = next((url for url in pictures if url), None)


class ShowsPicture(HasAttachments):
    """A response that shows one picture."""

    media_id: UUID | None = Field(default=None, description="The id of `media`, for a write.", examples=[_MEDIA])
    media: AttachedMedia | None = Field(default=None, description="The picture.")
    image_url: str | None = Field(
        default=None,
        description="Link of the picture, as in `media`.",
        examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"],
    )

    def references(self) -> list[UUID]:
        """Return the id of the picture to look up."""
        return [self.media_id] if self.media_id else []

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Set the picture, if it still exists."""
        self.media = media[0] if media else None
        self.media_id = self.media.id if self.media else None
        self.image_url = self.media.url if self.media else None


def attachments_in(response: Any) -> Iterator[HasAttachments]:
    """Yield every part of a response that shows uploads; models without such fields are skipped."""
    if isinstance(response, BaseModel):
        if isinstance(response, HasAttachments):
            yield response
        for name in _branches(type(response)):
            yield from attachments_in(getattr(response, name))
    elif isinstance(response, Mapping):
        for value in response.values():
            yield from attachments_in(value)
    elif isinstance(response, list | tuple):
        for value in response:
            yield from attachments_in(value)


@cache
def _branches(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name, field in model.model_fields.items() if _leads(field.annotation, frozenset()))


def _leads(annotation: Any, above: frozenset[Any]) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in above:
            return False
        fields = annotation.model_fields.values()
        return issubclass(annotation, HasAttachments) or any(
            _leads(field.annotation, above | {annotation}) for field in fields
        )
    # A page with an unbound type variable may contain any model.
    return isinstance(annotation, TypeVar) or any(_leads(part, above) for part in get_args(annotation))
