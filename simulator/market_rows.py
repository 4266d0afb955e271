"""Rows of the marketplace and of reviews."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from simulator.arrays import uuids
from simulator.columns import Ids, id_series, times
from simulator.drawing import VARIANTS
from simulator.goods import CONDITIONS, DEALS, Deal
from simulator.market_text import MarketWriter
from simulator.town import Town
from simulator.uploads import Upload, to_milliseconds
from simulator.vocabulary import Product

MAX_PICTURED_ITEMS = 1_000
"""The newest items of a large town have pictures."""
_RESERVATION = timedelta(hours=48)


def products_of(town: Town) -> list[Product]:
    """Return the product of each item for sale."""
    goods, categories = town.marketplace.goods, town.vocabulary.categories
    return [
        town.vocabulary.market.products[categories[category].name][product]
        for category, product in zip(
            town.connectors.category[goods.connector].tolist(), goods.product.tolist(), strict=True
        )
    ]


def seller_review_ids(town: Town) -> pl.Series:
    """Return the id of each review of a seller."""
    return id_series(uuids(town.spec.generator(33), len(town.marketplace.reviews)))


def item_uploads(town: Town, ids: Ids) -> list[list[Upload]]:
    """Return the pictures of each item for sale; the second one shows it in another light."""
    goods, rng = town.marketplace.goods, town.spec.generator(22)
    first_pictured = max(0, len(goods) - MAX_PICTURED_ITEMS)
    names = id_series(uuids(rng, 4 * len(goods))).to_list()
    owner_ids = ids.users.to_list()
    created = times(town.spec.start, goods.created - 60.0).to_list()
    uploads: list[list[Upload]] = []
    for number, product in enumerate(products_of(town)):
        pictures = int(goods.pictures[number]) if number >= first_pictured else 0
        owner = int(goods.seller[number])
        uploads.append(
            [
                Upload(
                    id=names[4 * number + 2 * nth],
                    owner=owner,
                    key=f"{owner_ids[owner]}/{names[4 * number + 2 * nth + 1]}",
                    drawing=product.drawing,
                    variant=(int(goods.variant[number]) + nth) % VARIANTS,
                    alt_text=f"Picture of {product.name[0].lower()}{product.name[1:]}",
                    created_at=to_milliseconds(created[number]),
                )
                for nth in range(pictures)
            ]
        )
    return uploads


def market_rows(town: Town, ids: Ids, uploads: list[list[Upload]]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of items, views, purchases and reviews of sellers."""
    rng, start = town.spec.generator(23), town.spec.start
    writer = MarketWriter(town.vocabulary, seed=town.spec.seed)
    market = town.marketplace
    yield "marketplace_items", _items(town, ids, uploads, writer)
    views = market.views
    yield (
        "marketplace_item_views",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(views))),
                "item_id": ids.goods.gather(views.goods),
                "user_id": ids.users.gather(views.user),
                "created_at": times(start, views.at),
            }
        ),
    )
    deals, own_ids = market.purchases, id_series(uuids(rng, len(market.purchases)))
    sellers = ids.users.gather(market.goods.seller[deals.goods])
    buyers = ids.users.gather(deals.buyer)
    yield (
        "marketplace_purchases",
        pl.DataFrame(
            {
                "id": own_ids,
                "item_id": ids.goods.gather(deals.goods),
                "buyer_id": buyers,
                "seller_id": sellers,
                "price": market.goods.price[deals.goods],
                "currency": pl.repeat("USD", len(deals), eager=True),
                "status": pl.Series(DEALS).gather(deals.status),
                "created_at": times(start, deals.at),
                "updated_at": times(start, np.where(np.isnan(deals.closed), deals.at, deals.closed)),
            }
        ),
    )
    reviews = market.reviews
    yield (
        "seller_reviews",
        pl.DataFrame(
            {
                "id": seller_review_ids(town),
                "purchase_id": own_ids.gather(reviews.purchase),
                "seller_id": sellers.gather(reviews.purchase),
                "buyer_id": buyers.gather(reviews.purchase),
                "rating": reviews.rating,
                "content": pl.Series(
                    [writer.seller_review(rating) for rating in reviews.rating.tolist()], dtype=pl.String
                ),
                "created_at": times(start, reviews.at),
            }
        ),
    )
    yield from _connector_reviews(town, ids, rng, writer)


def _items(town: Town, ids: Ids, uploads: list[list[Upload]], writer: MarketWriter) -> pl.DataFrame:
    market, start = town.marketplace, town.spec.start
    goods, products = market.goods, products_of(town)
    category = pl.Series([town.vocabulary.market.category_names[part.name] for part in town.vocabulary.categories])
    status = np.where(goods.reserved_by >= 0, "reserved", "available").astype(object)
    standing = market.purchases.status != Deal.CANCELLED
    status[market.purchases.goods[standing]] = "sold"
    changed = np.where(goods.reserved_by >= 0, goods.reserved_at, goods.created)
    changed[market.purchases.goods] = market.purchases.at
    is_reserved = pl.lit(pl.Series(goods.reserved_by >= 0))
    home = town.people.home_point[goods.seller]
    nearby = np.where(np.isnan(home), town.connectors.location[goods.connector], np.round(home, 2))
    return pl.DataFrame(
        {
            "id": ids.goods,
            "connector_id": ids.connectors.gather(goods.connector),
            "seller_id": ids.users.gather(goods.seller),
            "title": [product.name for product in products],
            "description": [writer.description(product) for product in products],
            "price": goods.price,
            "category": category.gather(town.connectors.category[goods.connector]),
            "condition": pl.Series(CONDITIONS).gather(goods.condition),
            "status": status.tolist(),
            "views_count": np.bincount(market.views.goods, minlength=len(goods)),
            "created_at": times(start, goods.created),
            "updated_at": times(start, changed),
            "latitude": nearby[:, 0],
            "longitude": nearby[:, 1],
            "media_ids": ["[" + ", ".join(f'"{upload.id}"' for upload in pictures) + "]" for pictures in uploads],
            "reserved_by": pl.select(
                pl.when(is_reserved).then(ids.users.gather(np.maximum(goods.reserved_by, 0)))
            ).to_series(),
            "reserved_until": pl.select(
                pl.when(is_reserved).then(times(start, np.nan_to_num(goods.reserved_at)) + _RESERVATION)
            ).to_series(),
        }
    )


def _connector_reviews(
    town: Town, ids: Ids, rng: np.random.Generator, writer: MarketWriter
) -> Iterator[tuple[str, pl.DataFrame]]:
    reviews, votes, start = town.reviews, town.review_votes, town.spec.start
    themes = [town.vocabulary.themes[theme][1] for theme in town.connectors.theme[reviews.connector]]
    texts = [writer.connector_review(*pair) for pair in zip(reviews.rating.tolist(), themes, strict=True)]
    own_ids, at = id_series(uuids(rng, len(reviews))), times(start, reviews.at)
    yield (
        "reviews",
        pl.DataFrame(
            {
                "id": own_ids,
                "connector_id": ids.connectors.gather(reviews.connector),
                "reviewer_id": ids.users.gather(reviews.user),
                "title": [title for title, _ in texts],
                "content": [content for _, content in texts],
                "rating": reviews.rating,
                "helpful_count": np.bincount(votes.review, minlength=len(reviews)),
                "created_at": at,
                "updated_at": at,
            }
        ),
    )
    yield (
        "review_votes",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(votes))),
                "review_id": own_ids.gather(votes.review),
                "user_id": ids.users.gather(votes.user),
                "created_at": times(start, votes.at),
            }
        ),
    )
