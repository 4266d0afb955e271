"""Tables of the marketplace and of reviews, as arrays of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from simulator.arrays import Columns, Floats, Ints

CONDITIONS = ("new", "like_new", "good", "fair", "for_parts")
DEALS = ("completed", "agreed", "cancelled")


class Deal(IntEnum):
    """Numbers of the states of a purchase: indexes into ``DEALS``."""

    COMPLETED = 0
    AGREED = 1
    CANCELLED = 2


@dataclass(frozen=True, slots=True)
class Goods(Columns):
    """Items for sale in order of creation; ``product`` is an index into the products of the connector's category.

    ``condition`` is an index into ``CONDITIONS``. ``reserved_by`` is -1 for no reservation. ``pictures`` is the number
    of pictures, of which the first is ``variant``.
    """

    seller: Ints
    connector: Ints
    product: Ints
    price: Floats
    condition: Ints
    quality: Floats
    appeal: Floats
    created: Floats
    pictures: Ints
    variant: Ints
    reserved_by: Ints
    reserved_at: Floats


@dataclass(frozen=True, slots=True)
class GoodsViews(Columns):
    """Views of items; each pair of user and item is unique, and no one views their own."""

    user: Ints
    goods: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class Purchases(Columns):
    """Purchases in temporal order, at most one per item; ``closed`` is NaN while the deal is open."""

    buyer: Ints
    goods: Ints
    at: Floats
    status: Ints
    closed: Floats


@dataclass(frozen=True, slots=True)
class SellerReviews(Columns):
    """Reviews of sellers by buyers, at most one per completed purchase."""

    purchase: Ints
    rating: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class Marketplace:
    """Items with their views, purchases and reviews of sellers."""

    goods: Goods
    views: GoodsViews
    purchases: Purchases
    reviews: SellerReviews


@dataclass(frozen=True, slots=True)
class Reviews(Columns):
    """Reviews of connectors by members; each pair is unique."""

    user: Ints
    connector: Ints
    rating: Ints
    at: Floats


@dataclass(frozen=True, slots=True)
class ReviewVotes(Columns):
    """Votes that a review is helpful; each pair is unique, and no one votes for their own review."""

    user: Ints
    review: Ints
    at: Floats
