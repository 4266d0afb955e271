"""Behaviour as clients report it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictInt, model_validator

from neighborconnect.contracts.events import InteractionKind, ItemKind
from transactional_api.text import Moment, RequestBody

MAX_BATCH = 500
CLOCK_SKEW = timedelta(minutes=5)
LONGEST_DWELL_MS = 24 * 60 * 60 * 1000
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

ReportedKind = Literal[InteractionKind.IMPRESSION, InteractionKind.CLICK, InteractionKind.DWELL, InteractionKind.HIDE]


def _plausible(moment: datetime) -> datetime:
    if moment < _EARLIEST:
        raise ValueError("This is before the year 2000")
    if moment > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("This is more than five minutes in the future")
    return moment


class Interaction(RequestBody):
    """What a person did with one item of a feed."""

    kind: ReportedKind = Field(examples=["dwell"])
    item_kind: ItemKind = Field(examples=["post"])
    item_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    request_id: UUID = Field(
        description="`request_id` of the feed that the item came from.",
        examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"],
    )
    position: StrictInt | None = Field(
        default=None, ge=0, le=10_000, description="Place in the feed, from 0.", examples=[0]
    )
    dwell_ms: StrictInt | None = Field(
        default=None, ge=0, le=LONGEST_DWELL_MS, description="Of a dwell only: milliseconds in view.", examples=[4200]
    )
    occurred_at: Annotated[Moment, AfterValidator(_plausible)] = Field(examples=["2026-03-03T08:00:00Z"])

    @model_validator(mode="after")
    def _dwell_has_a_length(self) -> Self:
        if (self.kind is InteractionKind.DWELL) != (self.dwell_ms is not None):
            raise ValueError("A dwell has a dwell_ms, and nothing else has one")
        return self


class InteractionBatch(RequestBody):
    """Interactions in the order in which they happened."""

    interactions: list[Interaction] = Field(min_length=1, max_length=MAX_BATCH)


class RejectedInteraction(BaseModel):
    """One that was not taken, by its place in the batch."""

    index: int = Field(examples=[3])
    code: Literal["unknown_item", "no_consent"] = Field(examples=["unknown_item"])


class InteractionReceipt(BaseModel):
    """What became of a batch."""

    accepted: int = Field(examples=[12])
    rejected: list[RejectedInteraction]
