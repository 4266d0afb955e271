"""Request and response models of feeds."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import MAX_ITEMS, RankingPath
from neighborconnect.feed.notes import NoteCode
from neighborconnect.feed.reasons import ReasonCode
from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.community.events.schemas import EventOut
from transactional_api.community.marketplace.schemas import ItemOut
from transactional_api.community.posts.schemas import PostOut
from transactional_api.core.text import RequestBody

MAX_CURSOR = 32


class FeedRequest(RequestBody):
    """Number of requested items, and the page that they follow."""

    limit: StrictInt = Field(default=20, ge=1, le=MAX_ITEMS, examples=[20])
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR,
        description="`next_cursor` of the page before; without it, a new feed begins.",
        examples=[None],
    )
    exclude: list[UUID] = Field(
        default=[],
        max_length=500,
        description="Ids of further items that are already shown; `cursor` excludes those of its own feed.",
        examples=[[]],
    )


class ReasonOut(BaseModel):
    """A reason for which an item is recommended."""

    code: ReasonCode = Field(examples=["because_you_liked"])
    text: str = Field(
        description="In the language of `Accept-Language`.", examples=["Because you liked “Help with leeks please”"]
    )
    share: float = Field(ge=0, le=1, description="Share of the score; 0 where nothing stands out.", examples=[0.62])


class NoteOut(BaseModel):
    """Effect of your feedback on a feed."""

    code: NoteCode = Field(examples=["less_of_category"])
    text: str = Field(
        description="In the language of `Accept-Language`.",
        examples=["Less of gardening, because you hid items of it"],
    )


class FeedItem(BaseModel):
    """Score, reasons and path of an item."""

    score: float = Field(
        description="In [0, 1], higher is better; comparable within one response only.", examples=[0.83]
    )
    reason: str = Field(
        description="Text of the strongest reason.", examples=["Because you liked “Help with leeks please”"]
    )
    reasons: list[ReasonOut] = Field(description="One to three reasons, the strongest first.")
    path: RankingPath = Field(description="Path that selected this item.", examples=["collaborative"])

    @property
    def item_id(self) -> UUID:
        """Id of the recommended item."""
        raise NotImplementedError


class PostItem(FeedItem):
    """Recommended post."""

    kind: Literal["post"] = Field(examples=["post"])
    post: PostOut

    @property
    def item_id(self) -> UUID:
        """Id of the recommended item."""
        return self.post.id


class ConnectorItem(FeedItem):
    """Recommended connector."""

    kind: Literal["connector"] = Field(examples=["connector"])
    connector: ConnectorOut

    @property
    def item_id(self) -> UUID:
        """Id of the recommended item."""
        return self.connector.id


class EventItem(FeedItem):
    """Recommended event."""

    kind: Literal["event"] = Field(examples=["event"])
    event: EventOut

    @property
    def item_id(self) -> UUID:
        """Id of the recommended item."""
        return self.event.id


class MarketplaceFeedItem(FeedItem):
    """Recommended marketplace item."""

    kind: Literal["item"] = Field(examples=["item"])
    item: ItemOut

    @property
    def item_id(self) -> UUID:
        """Id of the recommended item."""
        return self.item.id


ItemT = TypeVar("ItemT", bound=FeedItem)


class FeedPage(BaseModel, Generic[ItemT]):
    """Page of a feed. Send its ``request_id`` with interactions."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    items: list[ItemT]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page within an hour. Null on the last page.",
        examples=["AAABjGRlQoAAAAAAbmNmMQ=="],
    )
    notes: list[NoteOut] = Field(description="Effects of your feedback on this feed.")


class Feed(FeedPage[ItemT]):
    """Personal feed of one kind of item. Send its ``request_id`` with interactions."""

    path: RankingPath = Field(
        description="Path of the response; single items may come from another.", examples=["collaborative"]
    )
    reason_code: str | None = Field(description="Reason of a fallback; null without one.", examples=[None])
    model_version: str | None = Field(description="Null if no model responded.", examples=["7"])
    features_age_ms: int | None = Field(
        default=None,
        description="Age of the oldest stored features that the model used; null if it used none.",
        examples=[1800],
    )


class HomePart(BaseModel):
    """Ranking of one kind of item in a home feed."""

    model_config = ConfigDict(protected_namespaces=())

    kind: ItemKind = Field(examples=["post"])
    item_count: int = Field(description="Items of the kind on this page.", examples=[12])
    path: RankingPath = Field(description="Path of the ranking.", examples=["collaborative"])
    reason_code: str | None = Field(description="Reason of a fallback; null without one.", examples=[None])
    model_version: str | None = Field(description="Null if no model responded.", examples=["7"])
    features_age_ms: int | None = Field(
        description="Age of the oldest stored features that the model used; null if it used none.", examples=[1800]
    )


HomeItem = Annotated[PostItem | ConnectorItem | EventItem | MarketplaceFeedItem, Field(discriminator="kind")]


class HomeFeed(FeedPage[HomeItem]):
    """Personal feed of posts, connectors, events and marketplace items."""

    parts: list[HomePart] = Field(description="Rankings that the page is mixed from.")
