"""Personal feeds on the wire."""

from __future__ import annotations

from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from neighborconnect.contracts.serving import MAX_ITEMS, RankingPath
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.events.schemas import EventOut
from transactional_api.marketplace.schemas import ItemOut
from transactional_api.posts.schemas import PostOut
from transactional_api.text import RequestBody


class FeedRequest(RequestBody):
    """How much is asked for, and what is on the screen already."""

    limit: StrictInt = Field(default=20, ge=1, le=MAX_ITEMS, examples=[20])
    exclude: list[UUID] = Field(
        default=[], max_length=500, description="Ids of items that are shown already.", examples=[[]]
    )


class FeedItem(BaseModel):
    """Why an item is in a feed."""

    score: float = Field(description="Higher is better; comparable within one answer only.", examples=[0.83])
    reason: str = Field(examples=["because_of_what_you_like"])
    path: RankingPath = Field(description="Which path chose this item.", examples=["collaborative"])


class PostItem(FeedItem):
    """A recommended post."""

    post: PostOut


class ConnectorItem(FeedItem):
    """A recommended connector."""

    connector: ConnectorOut


class EventItem(FeedItem):
    """A recommended event."""

    event: EventOut


class OfferItem(FeedItem):
    """A recommended item of the marketplace."""

    item: ItemOut


ItemT = TypeVar("ItemT", bound=FeedItem)


class Feed(BaseModel, Generic[ItemT]):
    """A personal feed. Quote ``request_id`` when you report what became of its items."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    items: list[ItemT]
    path: RankingPath = Field(
        description="The path that answered; an item may come by another.", examples=["collaborative"]
    )
    reason_code: str | None = Field(
        description="Why this is not the best that the platform can do; null when it is.", examples=[None]
    )
    model_version: str | None = Field(description="Null when no model answered.", examples=["7"])
