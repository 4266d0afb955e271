"""Response model: how a user responds to an item that they see, learned from impressions with and without an act.

    response = mean_k + quality_i + category_u[category_i] + taste_u . text_i + bias_u + bias_u,k

for an item i of kind k. Users respond to all kinds by one taste: posts, of which they see most, tell which events and
marketplace items they like. The responses of each kind are on a scale of their own.

The response to an item that was seen is ``log1p`` of the largest weight of the user's acts with it, and zero without
one, so that an impression that nothing followed counts against the item and what resembles it. The coefficients of a
user are a ridge regression on their own impressions; the quality of an item is what remains, shrunk toward zero and
weighted by standing. Both are estimated in turns (backfitting; Buja, Hastie and Tibshirani, "Linear Smoothers and
Additive Models", 1989). All coefficients are additive, so that each part of a score is exact, and a new item has a
score as soon as it has a text or a category. The biases do not change an order of items of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from models.recommendation.data import STANDING
from models.recommendation.response_items import CATEGORY_VARIANCE, RIDGE, ResponseItems
from models.recommendation.scoring import FloatArray, IntArray

BIAS_VARIANCE: Final = 10.0
KIND_BIAS_VARIANCE: Final = 2.0
DEVIATION: Final = 0.6
"""Standard deviation of the responses of each kind, which the weights of other parts of a score are relative to."""
SHRINKAGE: Final = 8.0
"""Average impressions that the quality of an item is averaged with, so that few impressions say little."""
ROUNDS: Final = 2
MAX_IMPRESSIONS: Final = 250
"""Newest impressions of each kind that count of a user: many posts do not displace the few acts with events."""
MIN_IMPRESSIONS: Final = 500
MIN_SHARE_WITHOUT_ACT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Responses:
    """Fitted model.

    Attributes:
        vectors: (n, width) coefficients of the users, the first of them by category.
        quality: quality of each item by its id.
        categories: categories that the vectors have coefficients of.
    """

    user_ids: tuple[str, ...]
    vectors: FloatArray
    quality: dict[str, float]
    categories: tuple[str, ...]

    def quality_of(self, item_ids: Sequence[str]) -> FloatArray:
        """Return the (n,) quality of items, zero for an unknown one."""
        return np.array([self.quality.get(item_id, 0.0) for item_id in item_ids], dtype=np.float32)

    def vectors_by(self, categories: Sequence[str]) -> FloatArray:
        """Return the (n, width) vectors with the coefficients of other categories; of a category without, zeros."""
        column = {name: place for place, name in enumerate(self.categories)}
        by_category = np.zeros((len(self.vectors), len(categories)), dtype=np.float32)
        for place, name in enumerate(categories):
            if name in column:
                by_category[:, place] = self.vectors[:, column[name]]
        return np.concatenate([by_category, self.vectors[:, len(self.categories) :]], axis=1)

    def vectors_of(self, user_ids: Sequence[str]) -> FloatArray:
        """Return the (n, width) vectors of users, zeros for an unknown one."""
        row_of = {user_id: row for row, user_id in enumerate(self.user_ids)}
        vectors: FloatArray = np.zeros((len(user_ids), self.vectors.shape[1]), dtype=np.float32)
        for row, user_id in enumerate(user_ids):
            if user_id in row_of:
                vectors[row] = self.vectors[row_of[user_id]]
        return vectors


def has_enough_impressions(seen: pl.DataFrame) -> bool:
    """Return whether the response model applies: whether enough of the items that users saw have no act of theirs."""
    largest = seen.group_by("user_id", "item_id").agg(pl.col("weight").max())["weight"]
    return len(largest) >= MIN_IMPRESSIONS and int((largest <= 0).sum()) >= MIN_SHARE_WITHOUT_ACT * len(largest)


def fit_responses(seen: pl.DataFrame, *, items: ResponseItems) -> Responses:
    """Fit the model.

    Args:
        seen: columns of ``INTERACTIONS_SCHEMA``, one row per impression (weight 0) and per act, and optionally
            ``STANDING``. Items that are not in ``items`` are left out.
        items: the items.
    """
    pairs = _newest_pairs(seen, items=items)
    user_ids = pairs["user_id"].unique().sort()
    quality = np.zeros(len(items.item_ids))
    vectors = np.zeros((len(user_ids), items.width), dtype=np.float32)
    if pairs.is_empty():
        return Responses((), vectors, {}, items.categories)
    columns = pairs["column"].to_numpy()
    response = np.log1p(pairs["weight"].to_numpy().astype(np.float64))
    standing = pairs[STANDING].to_numpy().astype(np.float64)
    # Where nobody has standing, as in the first days of a community, everybody counts alike.
    standing = standing if standing.any() else np.ones(len(standing))
    response = _standardized(response, kinds=items.kinds[columns], weights=standing)
    first = np.flatnonzero(np.append(True, pairs["user_id"].to_numpy()[1:] != pairs["user_id"].to_numpy()[:-1]))
    rows_of_users = np.split(np.arange(len(pairs)), first[1:])
    for _ in range(ROUNDS):
        explained = np.zeros(len(pairs))
        for user, rows in enumerate(rows_of_users):
            vectors[user], explained[rows] = _fit_user(
                columns[rows], residual=response[rows] - quality[columns[rows]], items=items
            )
        count = len(quality)
        sums = np.bincount(columns, weights=standing * (response - explained), minlength=count)
        quality = sums / (np.bincount(columns, weights=standing, minlength=count) + SHRINKAGE)
    of_items = dict(zip(items.item_ids, quality.tolist(), strict=True))
    return Responses(tuple(user_ids), vectors, of_items, items.categories)


def _standardized(response: FloatArray, *, kinds: IntArray, weights: FloatArray) -> FloatArray:
    """Return the responses less the mean of their kind, with the deviation ``DEVIATION``.

    Where users act on nearly everything that they are known to have seen, the mean says nothing of items that they
    passed over: an act must not count against an item because others act more. Such a kind is not centered.
    """
    standardized = np.zeros(len(response))
    for kind in np.unique(kinds):
        of_kind = kinds == kind
        share = weights[of_kind] if weights[of_kind].any() else np.ones(int(of_kind.sum()))
        has_ignored = np.average(response[of_kind] <= 0, weights=share) >= MIN_SHARE_WITHOUT_ACT
        centered = response[of_kind] - (np.average(response[of_kind], weights=share) if has_ignored else 0.0)
        deviation = np.sqrt(np.average(centered**2, weights=share))
        standardized[of_kind] = DEVIATION * centered / deviation if deviation > 0 else 0.0
    return standardized


def _newest_pairs(seen: pl.DataFrame, *, items: ResponseItems) -> pl.DataFrame:
    """Return the newest pairs of each user with ``column`` of the item and the largest weight, by user and time."""
    known = pl.DataFrame(
        {"item_id": items.item_ids, "kind": items.kinds}, schema={"item_id": pl.String, "kind": pl.Int64}
    )
    known = known.with_row_index("column")
    standing = pl.col(STANDING).max() if STANDING in seen.columns else pl.lit(1.0).alias(STANDING)
    return (
        seen.join(known, on="item_id")
        .group_by("user_id", "column")
        .agg(pl.col("weight").max(), pl.col("occurred_at").max(), pl.col("kind").first(), standing)
        .sort("user_id", "occurred_at", "column")
        .group_by("user_id", "kind", maintain_order=True)
        .tail(MAX_IMPRESSIONS)
        .sort("user_id", "occurred_at", "column")
    )


def _fit_user(columns: IntArray, *, residual: FloatArray, items: ResponseItems) -> tuple[FloatArray, FloatArray]:
    """Return the vector of a user and the fitted values of their impressions.

    Ridge regression in its dual form, whose system has one equation per impression: users have fewer impressions than a
    text embedding has dimensions.
    """
    categories, texts, kinds = items.category_rows[columns], items.texts(columns), items.kinds[columns]
    is_known = categories < len(items.categories)
    same = (categories[:, None] == categories[None, :]) & is_known[:, None]
    # The products of the texts take most of the time, in half of it with half of the digits.
    kernel = CATEGORY_VARIANCE * same + (texts @ texts.T).astype(np.float64) + BIAS_VARIANCE
    kernel += KIND_BIAS_VARIANCE * (kinds[:, None] == kinds[None, :])
    dual = np.linalg.solve(kernel + RIDGE * np.eye(len(columns)), residual)
    by_category = np.bincount(categories[is_known], weights=dual[is_known], minlength=len(items.categories))
    vector = np.concatenate([CATEGORY_VARIANCE * by_category, dual @ texts, [BIAS_VARIANCE * dual.sum()]])
    return vector.astype(np.float32), kernel @ dual
