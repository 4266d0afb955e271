"""Search on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from transactional_api.paging import DEFAULT_LIMIT
from transactional_api.text import Line, RequestBody

MAX_RESULTS, MAX_OFFSET = 50, 400


class FoundKind(StrEnum):
    """What was found."""

    USER = "user"
    CONNECTOR = "connector"
    POST = "post"
    EVENT = "event"
    ITEM = "item"


class SearchQuery(RequestBody):
    """What is searched for."""

    q: Annotated[Line, StringConstraints(min_length=2, max_length=200)] = Field(
        description='Words; `"a phrase"`, `or` and `-not` are understood.', examples=["tomato seedlings"]
    )
    kind: list[FoundKind] = Field(
        default_factory=list, description="Only these kinds; repeat it for several.", examples=[["post"]]
    )
    connector_id: UUID | None = Field(default=None, description="Only what is in this connector.")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_RESULTS)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET, description="`next_offset` of the part before.")


class Found(BaseModel):
    """One thing that was found; get the rest of it by its kind and id."""

    kind: FoundKind = Field(examples=["post"])
    id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    title: str = Field(description="Of a person their username.", examples=["Tomato seedlings"])
    excerpt: str = Field(description="How its text begins.", examples=["The tomato seedlings are ready."])
    connector_id: UUID | None = Field(
        description="Where it is; null for people.", examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"]
    )
    created_at: datetime = Field(examples=["2026-03-03T07:15:00Z"])


class Facet(BaseModel):
    """How much of a kind there is."""

    kind: FoundKind = Field(examples=["post"])
    count: int = Field(description="At most 1,000, which stands for that many or more.", examples=[12])


class SearchOut(BaseModel):
    """What was found, the best first, and how much of each kind there is."""

    items: list[Found]
    facets: list[Facet] = Field(description="Of all kinds, whichever were asked for.")
    by_meaning: bool = Field(
        description="Whether what means much the same was looked for, too; not while no encoder answers.",
        examples=[True],
    )
    next_offset: int | None = Field(description="Asks for the part after this one; null at the end.", examples=[20])
