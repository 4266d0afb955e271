"""Uploads on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt

from neighborconnect.contracts.vision import VideoCodec
from transactional_api.media.processing import MediaKind
from transactional_api.text import RequestBody


class UploadState(StrEnum):
    """How far an upload is."""

    AWAITED = "awaited"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class RenditionOut(BaseModel):
    """A video written anew, with a link that is good for an hour."""

    name: str = Field(examples=["h264-480"])
    width: int = Field(examples=[854])
    height: int = Field(examples=[480])
    codec: VideoCodec = Field(examples=["h264"])
    bytes: int = Field(examples=[1_482_044])
    url: str = Field(examples=["https://cdn.example.org/3c1f-h264-480.mp4?expires=1&signature=ab"])


class MediaOut(BaseModel):
    """An upload. Its links are good for an hour; ask again for new ones."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    owner_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    state: UploadState = Field(
        description="`awaited`: to be sent to the upload link; `pending`: being processed.", examples=["ready"]
    )
    reason: str | None = Field(description="Why it failed.", examples=[None])
    kind: MediaKind | None = Field(examples=["image"])
    content_type: str | None = Field(description="By its content.", examples=["image/jpeg"])
    size: int = Field(description="Bytes.", examples=[182_044])
    width: int | None = Field(examples=[1600])
    height: int | None = Field(examples=[1200])
    seconds: float | None = Field(description="Length of a video.", examples=[None])
    url: str | None = Field(
        description="Null until it is ready.", examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"]
    )
    thumbnails: dict[str, str] = Field(
        description="Links by width in pixels.",
        examples=[{"320": "https://cdn.example.org/3c1f-320.webp?expires=1&signature=ab"}],
    )
    alt_text: str | None = Field(
        default=None,
        description="A suggestion for who cannot see it.",
        examples=["Picture, perhaps of a person and a bicycle"],
    )
    blur_hash: str | None = Field(
        default=None, description="To show while it loads.", examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"]
    )
    colours: list[str] = Field(default=[], description="The strongest first.", examples=[["#2e8b57"]])
    renditions: list[RenditionOut] = Field(default=[], description="Of a video, for screens of every size.")
    progress: float | None = Field(
        default=None, description="How far the renditions of a video are, from 0 to 1.", examples=[None]
    )
    held_until: datetime | None = Field(
        default=None,
        description="Others see it once a model has looked at it, and then at the latest; null when nothing waits.",
        examples=[None],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class UploadBody(RequestBody):
    """What is to be uploaded straight to the object store."""

    size: StrictInt = Field(
        ge=1,
        le=20 * 1024 * 1024,
        description="Bytes of the file, at most 20 MiB; the upload link takes no other size.",
        examples=[182_044],
    )


class UploadOut(BaseModel):
    """Where to PUT the file; then complete the upload."""

    media: MediaOut
    upload_url: str = Field(
        description="Good for 15 minutes and for a body of exactly `size` bytes.",
        examples=["https://s3.example.org/media/3c1f?X-Amz-Signature=ab"],
    )


class MediaBody(RequestBody):
    """One upload of your own."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
