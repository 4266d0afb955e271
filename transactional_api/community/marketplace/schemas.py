"""Request and response schemas of items, purchases and seller reviews."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from transactional_api.community.marketplace.currencies import MAX_DECIMALS, is_legal_tender, quantize_price
from transactional_api.core.geography import Point
from transactional_api.core.http.partial_updates import Patch, patch_of
from transactional_api.core.media.attachments import MAX_ATTACHED, AttachedMedia, NewMediaIds, OwnLink, ShowsMedia
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person

_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


def _currency(code: str) -> str:
    if not is_legal_tender(code):
        raise ValueError("The currency must be the ISO 4217 code of a currency in use, such as EUR")
    return code


Price = Annotated[Decimal, Field(ge=0, max_digits=8 + MAX_DECIMALS, decimal_places=MAX_DECIMALS, allow_inf_nan=False)]
Currency = Annotated[Line, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
Category = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


class Condition(StrEnum):
    """Condition of an item."""

    NEW = "new"
    LIKE_NEW = "like_new"
    GOOD = "good"
    FAIR = "fair"
    FOR_PARTS = "for_parts"


class ItemStatus(StrEnum):
    """Availability of an item."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    SOLD = "sold"


class PurchaseStatus(StrEnum):
    """State of a purchase: agreed, handed over, or cancelled."""

    AGREED = "agreed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ItemBody(RequestBody):
    """Editable fields of an item; PUT replaces all of them."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Wheelbarrow"])
    description: Annotated[Text, StringConstraints(max_length=10_000)] | None = Field(
        default=None, examples=["One season old, with a new tire."]
    )
    price: Price = Field(examples=["25.00"])
    currency: Currency = Field(default="USD", examples=["USD"])
    category: Category = Field(examples=["garden"])
    condition: Condition | None = Field(default=None, examples=["good"])
    media_ids: NewMediaIds = None
    images: list[OwnLink] = Field(
        default=[],
        max_length=MAX_ATTACHED,
        json_schema_extra={"deprecated": True},
        description="Links to own uploads. Use `media_ids` instead.",
        examples=[[]],
    )
    point: Point | None = Field(default=None, description="Pickup location.", examples=[_EXAMPLE_POINT])

    @model_validator(mode="after")
    def _has_the_decimals_of_its_currency(self) -> Self:
        quantize_price(self.price, self.currency)
        return self


@patch_of(ItemBody)
class ItemPatch(Patch):
    """Fields of an item to change; absent ones stay, and null clears a field that may be null."""


class NewItem(ItemBody):
    """A new item and the connector in which it is offered."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class _Priced(BaseModel):
    """A price with the decimals of its currency."""

    price: Decimal = Field(examples=["25.00"])
    currency: str = Field(examples=["USD"])

    @model_validator(mode="after")
    def _has_the_decimals_of_its_currency(self) -> Self:
        with suppress(ValueError):  # Prices from before this rule are not rounded.
            self.price = quantize_price(self.price, self.currency)
        return self


class ViewerPurchase(BaseModel):
    """The authenticated user's purchase of an item."""

    id: UUID = Field(examples=["8a7f3a52-3a59-4a4e-9e8c-2c8e4d7f3b11"])
    status: PurchaseStatus = Field(examples=["agreed"])


class ItemOut(_Priced, ShowsMedia):
    """An item for sale."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    seller: Person
    title: str = Field(examples=["Wheelbarrow"])
    description: str | None = Field(examples=["One season old, with a new tire."])
    category: str = Field(examples=["garden"])
    condition: Condition | None = Field(examples=["good"])
    images: list[str] = Field(
        default=[],
        description="Links to the images in `media` that you can see.",
        examples=[["https://cdn.example.org/3c1f.jpg?expires=1&signature=ab"]],
    )
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    status: ItemStatus = Field(examples=["available"])
    reserved_until: datetime | None = Field(examples=["2026-03-04T18:00:00Z"])
    reserved_by_viewer: bool = Field(examples=[False])
    viewer_purchase: ViewerPurchase | None = Field(description="Your purchase of it, unless it was canceled.")
    view_count: int = Field(description="Users who viewed it.", examples=[17])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])

    def show(self, media: Sequence[AttachedMedia]) -> None:
        """Take the uploads that there still are."""
        super().show(media)
        self.images = [upload.url for upload in media if upload.kind is MediaKind.IMAGE and upload.url]


class ExpectedPrice(RequestBody):
    """The price that the buyer read; the request fails if the current price differs."""

    expected_price: Price | None = Field(default=None, examples=["25.00"])
    expected_currency: Annotated[Line, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, examples=["USD"]
    )


class ItemCategory(BaseModel):
    """A category and the number of available items in it."""

    category: str = Field(examples=["garden"])
    item_count: int = Field(examples=[12])


class ItemCategories(BaseModel):
    """Categories with at least one available item, largest first."""

    items: list[ItemCategory]


class PurchaseOut(_Priced):
    """A purchase, for its buyer and seller."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["8a7f3a52-3a59-4a4e-9e8c-2c8e4d7f3b11"])
    item_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    title: str = Field(examples=["Wheelbarrow"])
    buyer_id: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    seller_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    buyer: Person | None = Field(description="Null across a block.")
    seller: Person | None = Field(description="Null across a block.")
    price: Decimal = Field(description="Price at the time of purchase.", examples=["25.00"])
    status: PurchaseStatus = Field(examples=["agreed"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])
    updated_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class SellerReviewBody(RequestBody):
    """Review of a seller by the buyer."""

    rating: StrictInt = Field(ge=1, le=5, examples=[5])
    content: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(
        default=None, examples=["Friendly, and as described."]
    )
    media_ids: NewMediaIds = None


class SellerReviewOut(ShowsMedia):
    """A review of a seller."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["d3b7c3f4-7f5b-4a3e-8d1c-9b6f7f0c2a55"])
    author: Person
    rating: int = Field(examples=[5])
    content: str | None = Field(examples=["Friendly, and as described."])
    created_at: datetime = Field(examples=["2026-03-05T10:00:00Z"])


class SellerOut(BaseModel):
    """Sales and rating of a seller."""

    seller_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    seller: Person
    sale_count: int = Field(description="Completed purchases.", examples=[9])
    review_count: int = Field(examples=[7])
    mean_rating: float | None = Field(description="Null without reviews.", examples=[4.71])
