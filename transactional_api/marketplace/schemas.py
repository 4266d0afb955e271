"""Items, purchases and seller reviews on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from babel.numbers import list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from transactional_api.places import Point
from transactional_api.text import Line, Link, RequestBody, Text

MAX_IMAGES = 10
_CURRENCIES = frozenset(list_currencies())
_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


def _currency(code: str) -> str:
    if code not in _CURRENCIES:
        raise ValueError("The currency must be a code of ISO 4217, such as EUR")
    return code


Price = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2, allow_inf_nan=False)]
Currency = Annotated[Line, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
Category = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


class Condition(StrEnum):
    """How used an item is."""

    NEW = "new"
    LIKE_NEW = "like_new"
    GOOD = "good"
    FAIR = "fair"
    FOR_PARTS = "for_parts"


class ItemStatus(StrEnum):
    """Whether an item can be had."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    SOLD = "sold"


class PurchaseStatus(StrEnum):
    """How far a purchase is: agreed on, handed over, or called off."""

    AGREED = "agreed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ItemBody(RequestBody):
    """An item as its seller writes it; PUT replaces all of it."""

    title: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Wheelbarrow"])
    description: Annotated[Text, StringConstraints(max_length=10_000)] | None = Field(
        default=None, examples=["One season old, a new tyre."]
    )
    price: Price = Field(examples=["25.00"])
    currency: Currency = Field(default="USD", examples=["USD"])
    category: Category = Field(examples=["garden"])
    condition: Condition | None = Field(default=None, examples=["good"])
    images: list[Annotated[Link, StringConstraints(max_length=500)]] = Field(
        default=[], max_length=MAX_IMAGES, examples=[["https://media.example.org/wheelbarrow.jpg"]]
    )
    point: Point | None = Field(default=None, description="Where it can be had.", examples=[_EXAMPLE_POINT])


class NewItem(ItemBody):
    """A new item and the connector that it is offered in."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])


class ItemOut(BaseModel):
    """An item."""

    id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    connector_name: str = Field(examples=["Dean Street Gardeners"])
    seller_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    seller_username: str = Field(examples=["ada.okafor"])
    title: str = Field(examples=["Wheelbarrow"])
    description: str | None = Field(examples=["One season old, a new tyre."])
    price: Decimal = Field(examples=["25.00"])
    currency: str = Field(examples=["USD"])
    category: str = Field(examples=["garden"])
    condition: Condition | None = Field(examples=["good"])
    images: list[str] = Field(examples=[["https://media.example.org/wheelbarrow.jpg"]])
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    status: ItemStatus = Field(examples=["available"])
    reserved_until: datetime | None = Field(examples=["2026-03-04T18:00:00Z"])
    reserved_by_me: bool = Field(examples=[False])
    views_count: int = Field(description="People who looked at it.", examples=[17])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ItemCategory(BaseModel):
    """A category, and how many available items of it the viewer may see."""

    category: str = Field(examples=["garden"])
    items: int = Field(examples=[12])


class ItemCategories(BaseModel):
    """The categories there are, the largest first."""

    items: list[ItemCategory]


class PurchaseOut(BaseModel):
    """A purchase, as its buyer and its seller see it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["8a7f3a52-3a59-4a4e-9e8c-2c8e4d7f3b11"])
    item_id: UUID = Field(examples=["3c1f7d0e-9a35-4f0c-8b5f-2f4f9a3a4b6d"])
    title: str = Field(examples=["Wheelbarrow"])
    buyer_id: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    seller_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    price: Decimal = Field(description="As it was when it was bought.", examples=["25.00"])
    currency: str = Field(examples=["USD"])
    status: PurchaseStatus = Field(examples=["agreed"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])
    updated_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class SellerReviewBody(RequestBody):
    """How a buyer found the seller."""

    rating: StrictInt = Field(ge=1, le=5, examples=[5])
    content: Annotated[Text, StringConstraints(max_length=2_000)] | None = Field(
        default=None, examples=["Friendly, and as described."]
    )


class SellerReviewOut(BaseModel):
    """One buyer's word on a seller."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["d3b7c3f4-7f5b-4a3e-8d1c-9b6f7f0c2a55"])
    buyer_id: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    buyer_username: str = Field(examples=["ben.abara"])
    rating: int = Field(examples=[5])
    content: str | None = Field(examples=["Friendly, and as described."])
    created_at: datetime = Field(examples=["2026-03-05T10:00:00Z"])


class SellerOut(BaseModel):
    """What buyers think of a seller."""

    seller_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    sold: int = Field(description="Purchases that were completed.", examples=[9])
    reviews: int = Field(examples=[7])
    mean_rating: float | None = Field(description="Null without reviews.", examples=[4.71])
