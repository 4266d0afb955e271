"""Request and response models of uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, StringConstraints

from neighborconnect.contracts.vision import VideoCodec
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import UploadState
from transactional_api.core.text import RequestBody, Text


class RenditionOut(BaseModel):
    """Rendition of a video, with a link that is valid for an hour."""

    name: str = Field(examples=["h264-480"])
    width: int = Field(examples=[854])
    height: int = Field(examples=[480])
    codec: VideoCodec = Field(examples=["h264"])
    bytes: int = Field(examples=[1_482_044])
    url: str = Field(examples=["https://cdn.example.org/3c1f-h264-480.mp4?expires=1&signature=ab"])


class MediaOut(BaseModel):
    """Upload. Its links are valid for an hour; get it again for new ones."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    owner_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    state: UploadState = Field(
        description="`awaited`: the file has not been sent to the upload link; `pending`: being processed.",
        examples=["ready"],
    )
    reason: str | None = Field(description="Reason of a failure.", examples=[None])
    kind: MediaKind | None = Field(examples=["image"])
    content_type: str | None = Field(description="Detected from the content.", examples=["image/jpeg"])
    size: int = Field(description="Size in bytes.", examples=[182_044])
    width: int | None = Field(examples=[1600])
    height: int | None = Field(examples=[1200])
    duration_seconds: float | None = Field(description="Duration of a video in seconds.", examples=[None])
    url: str | None = Field(
        description="Null until it is ready.", examples=["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"]
    )
    thumbnails: dict[str, str] = Field(
        description="Links by width in pixels.",
        examples=[{"320": "https://cdn.example.org/3c1f-320.webp?expires=1&signature=ab"}],
    )
    alt_text: str | None = Field(
        default=None,
        description="Alternative text for screen readers: yours (`PUT /media/{id}/alt-text`), or a suggested one.",
        examples=["Picture, perhaps of a person and a bicycle"],
    )
    blur_hash: str | None = Field(
        default=None,
        description="BlurHash placeholder to show while it loads.",
        examples=["LEHV6nWB2yk8pyo0adR*.7kCMdnj"],
    )
    colors: list[str] = Field(default=[], description="Dominant colors, strongest first.", examples=[["#2e8b57"]])
    renditions: list[RenditionOut] = Field(default=[], description="Renditions of a video, for adaptive streaming.")
    progress: float | None = Field(
        default=None, description="Progress of the renditions of a video, from 0 to 1.", examples=[None]
    )
    hold_until: datetime | None = Field(
        default=None,
        description="Latest time until which it is hidden from others for analysis; null if it is not held.",
        examples=[None],
    )
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class NewUpload(RequestBody):
    """File to send directly to the object store."""

    size: StrictInt = Field(
        ge=1,
        le=20 * 1024 * 1024,
        description="Bytes of the file, at most 20 MiB; the upload link takes no other size.",
        examples=[182_044],
    )


class AltText(RequestBody):
    """Description of one of your uploads."""

    alt_text: Annotated[Text, StringConstraints(max_length=1_500)] | None = Field(
        description="For readers who cannot see it, wherever it is shown; null or empty for the suggested one.",
        examples=["Two neighbors carry a ladder across the street"],
    )


class UploadLink(BaseModel):
    """Link to which to PUT the file; then complete the upload."""

    media: MediaOut
    upload_url: str = Field(
        description="Valid for 15 minutes and for a body of exactly `size` bytes.",
        examples=["https://s3.example.org/media/3c1f?X-Amz-Signature=ab"],
    )


class MediaReference(RequestBody):
    """Reference to one of your uploads."""

    media_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
