"""Request and response schemas of reviews."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, StringConstraints

from transactional_api.core.media.attachments import NewMediaIds, ShowsMedia
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person


class ReviewState(StrEnum):
    """Visibility of a review: for everyone, or only for its author and moderators."""

    VISIBLE = "visible"
    HIDDEN = "hidden"


class ReviewBody(RequestBody):
    """Editable fields of a review; PUT replaces all of them."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["A warm welcome"])
    content: Annotated[Text, StringConstraints(min_length=1, max_length=5_000)] = Field(
        examples=["They lent me a spade on the first day."]
    )
    rating: StrictInt = Field(ge=1, le=5, examples=[5])
    media_ids: NewMediaIds = None


class NewReview(ReviewBody):
    """A new review and the connector that it is about."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class ReviewStateBody(RequestBody):
    """The new visibility of a review."""

    state: ReviewState = Field(examples=["hidden"])


class ReviewOut(ShowsMedia):
    """A review of a connector."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    author: Person
    title: str = Field(examples=["A warm welcome"])
    content: str = Field(examples=["They lent me a spade on the first day."])
    rating: int = Field(examples=[5])
    helpful_count: int = Field(examples=[4])
    viewer_voted_helpful: bool = Field(description="Whether you voted it helpful.", examples=[False])
    state: ReviewState = Field(examples=["visible"])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class HelpfulOut(BaseModel):
    """The helpful votes of a review after the request."""

    review_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    viewer_voted_helpful: bool = Field(examples=[True])
    helpful_count: int = Field(examples=[5])


class MonthlyReviews(BaseModel):
    """Reviews of one month."""

    month: str = Field(description="Year and month in UTC.", examples=["2026-03"])
    review_count: int = Field(examples=[6])
    mean_rating: float = Field(examples=[4.5])


class ReviewAnalytics(BaseModel):
    """Aggregates of the visible reviews of a connector."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    review_count: int = Field(examples=[41])
    mean_rating: float | None = Field(description="Null without reviews.", examples=[4.32])
    bayesian_rating: float = Field(
        description="Mean rating with a prior of five reviews at the mean of all connectors. Use it for ranking.",
        examples=[4.21],
    )
    distribution: dict[str, int] = Field(
        description="Number of reviews by rating.", examples=[{"1": 1, "2": 0, "3": 4, "4": 16, "5": 20}]
    )
    trend: list[MonthlyReviews] = Field(description="The last twelve months with reviews, oldest first.")
