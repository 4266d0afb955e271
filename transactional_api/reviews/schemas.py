"""Reviews of connectors on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, StringConstraints

from transactional_api.text import Line, RequestBody, Text


class ReviewState(StrEnum):
    """Whether everybody sees a review, or only its writer and who moderates."""

    VISIBLE = "visible"
    HIDDEN = "hidden"


class ReviewBody(RequestBody):
    """A review as its writer writes it; PUT replaces all of it."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["A warm welcome"])
    content: Annotated[Text, StringConstraints(min_length=1, max_length=5_000)] = Field(
        examples=["They lent me a spade on the first day."]
    )
    rating: StrictInt = Field(ge=1, le=5, examples=[5])


class NewReview(ReviewBody):
    """A new review and the connector that it is about."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class StateBody(RequestBody):
    """Whether a review is to be seen."""

    state: ReviewState = Field(examples=["hidden"])


class ReviewOut(BaseModel):
    """A review."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    reviewer_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    reviewer_username: str = Field(examples=["ada.okafor"])
    title: str = Field(examples=["A warm welcome"])
    content: str = Field(examples=["They lent me a spade on the first day."])
    rating: int = Field(examples=[5])
    helpful_count: int = Field(examples=[4])
    found_helpful: bool = Field(description="By the viewer.", examples=[False])
    state: ReviewState = Field(examples=["visible"])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class HelpfulOut(BaseModel):
    """How many found a review helpful."""

    review_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    found_helpful: bool = Field(examples=[True])
    helpful_count: int = Field(examples=[5])


class Month(BaseModel):
    """The reviews of one month."""

    month: str = Field(description="Year and month in UTC.", examples=["2026-03"])
    reviews: int = Field(examples=[6])
    mean_rating: float = Field(examples=[4.5])


class Analytics(BaseModel):
    """What the visible reviews of a connector say together."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    reviews: int = Field(examples=[41])
    mean_rating: float | None = Field(description="Null without reviews.", examples=[4.32])
    bayesian_rating: float = Field(
        description="The mean with the weight of five reviews at the mean of all connectors added, so that one "
        "review does not make a connector the best.",
        examples=[4.21],
    )
    distribution: dict[str, int] = Field(
        description="How many gave each rating.", examples=[{"1": 1, "2": 0, "3": 4, "4": 16, "5": 20}]
    )
    trend: list[Month] = Field(description="The last twelve months that have any, the oldest first.")
