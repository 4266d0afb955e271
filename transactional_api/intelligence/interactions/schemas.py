"""Request and response models of interactions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictInt, model_validator

from neighborconnect.contracts.events import InteractionKind, ReportableKind, Surface
from transactional_api.core.text import Moment, RequestBody

MAX_BATCH = 500
CLOCK_SKEW = timedelta(minutes=5)
MAX_DWELL_MS = 24 * 60 * 60 * 1000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

ReportedKind = Literal[InteractionKind.IMPRESSION, InteractionKind.CLICK, InteractionKind.DWELL, InteractionKind.HIDE]


def _plausible(moment: datetime) -> datetime:
    if moment < _EARLIEST:
        raise ValueError("The time is before the year 2000")
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("The time is more than five minutes in the future")
    return moment


class Interaction(RequestBody):
    """Interaction of the viewer with one item of a feed."""

    kind: ReportedKind = Field(examples=["dwell"])
    item_kind: ReportableKind = Field(examples=["post"])
    item_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    request_id: UUID = Field(
        description="`request_id` of the feed that contained the item: yours, and at most seven days old.",
        examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"],
    )
    position: StrictInt | None = Field(
        default=None, ge=0, le=10_000, description="Position in the feed, from 0.", examples=[0]
    )
    dwell_ms: StrictInt | None = Field(
        default=None, ge=0, le=MAX_DWELL_MS, description="Milliseconds in view; only for `dwell`.", examples=[4200]
    )
    surface: Surface | None = Field(
        default=None, description="Part of the app that showed the item.", examples=["feed"]
    )
    occurred_at: Annotated[Moment, AfterValidator(_plausible)] = Field(examples=["2026-03-03T08:00:00Z"])

    @model_validator(mode="after")
    def _dwell_has_duration(self) -> Self:
        if (self.kind is InteractionKind.DWELL) != (self.dwell_ms is not None):
            raise ValueError("dwell_ms is required for a dwell, and not allowed otherwise")
        return self


class InteractionBatch(RequestBody):
    """Interactions in order of occurrence."""

    interactions: list[Interaction] = Field(min_length=1, max_length=MAX_BATCH)


RejectionCode = Literal["unknown_item", "item_not_in_feed", "unknown_request", "no_consent"]


class RejectedInteraction(BaseModel):
    """Rejected interaction, by its index in the batch."""

    index: int = Field(examples=[3])
    code: RejectionCode = Field(examples=["unknown_item"])
    field: str | None = Field(
        description="Field that does not fit; null without consent to tracking.", examples=["item_id"]
    )


class InteractionReceipt(BaseModel):
    """Result of a batch."""

    accepted_count: int = Field(examples=[12])
    rejected: list[RejectedInteraction]


class HiddenItemOut(BaseModel):
    """Hidden item."""

    item_kind: ReportableKind = Field(examples=["post"])
    item_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    title: str | None = Field(
        description="Title or name, or the username of a user; null if not visible, and for stories and reels.",
        examples=["Seed swap on Saturday"],
    )
    hidden_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
