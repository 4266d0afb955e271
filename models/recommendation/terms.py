"""The terms of the score for everyone at once, as choosing and judging a recipe need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from models.recommendation.data import InteractionMatrix, Split
from models.recommendation.evaluate import Scorer
from models.recommendation.features import SplitFeatures
from models.recommendation.model import Factors, popularity
from models.recommendation.scoring import BlendWeights, FloatArray, IntArray, normalise_rows


@dataclass(frozen=True)
class Items:
    """Items of one kind: ``frame`` as ``ITEMS_SCHEMA``, sorted by id, and an embedding for each row (d may be 0)."""

    frame: pl.DataFrame
    embeddings: FloatArray

    def aligned(self, item_ids: Sequence[str]) -> Items:
        """Return these items in the order of ``item_ids``; an item that is not described gets empty values."""
        rows = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String}).join(
            self.frame.with_row_index("row"), on="item_id", how="left", maintain_order="left"
        )
        embeddings = np.zeros((len(item_ids), self.embeddings.shape[1]), dtype=np.float32)
        found = rows["row"].is_not_null().to_numpy()
        embeddings[found] = self.embeddings[rows["row"].drop_nulls().to_numpy()]
        return Items(rows.drop("row").with_columns(pl.col("text", "category").fill_null("")), embeddings)


def half_life_of(days: float | None) -> timedelta | None:
    """Return the half-life of popularity, if it decays."""
    return None if days is None else timedelta(days=days)


@dataclass(frozen=True)
class Terms:
    """The terms of the score on one split, for people in the rows of its matrix and its items."""

    matrix: InteractionMatrix
    popularity: FloatArray
    embeddings: FloatArray
    content: FloatArray
    affinity: FloatArray
    category_rows: IntArray

    @classmethod
    def build(cls, split: Split, *, items: Items, features: SplitFeatures, half_life_days: float | None) -> Terms:
        """Compute all terms but the collaborative one."""
        matrix = split.matrix
        own = items.aligned(matrix.item_ids)
        names = own.frame["category"].unique().sort()
        names = names.filter(names != "")
        return cls(
            matrix=matrix,
            popularity=popularity(split.train, item_ids=matrix.item_ids, half_life=half_life_of(half_life_days)),
            embeddings=own.embeddings,
            content=content_vectors(matrix, embeddings=own.embeddings),
            affinity=_affinity_rows(features.affinity, user_ids=matrix.user_ids, categories=names),
            category_rows=_places(own.frame["category"], among=names, missing=len(names)),
        )

    def by_popularity(self) -> Scorer:
        """Score everyone alike."""
        return lambda users: np.broadcast_to(self.popularity, (len(users), len(self.popularity)))

    def newcomer(self, weights: BlendWeights) -> Scorer:
        """Score people as if they had no factors."""
        return lambda users: self._beside(users, weights)

    def known(self, factors: Factors, weights: BlendWeights) -> Scorer:
        """Score people by their factors and the other terms."""
        return lambda users: factors.users[users] @ factors.items.T + self._beside(users, weights)

    def _beside(self, users: IntArray, weights: BlendWeights) -> FloatArray:
        scores = np.broadcast_to(weights.popularity * self.popularity, (len(users), len(self.popularity)))
        if weights.content:
            scores = scores + weights.content * (self.content[users] @ self.embeddings.T)
        if weights.affinity:
            scores = scores + weights.affinity * self.affinity[users][:, self.category_rows]
        return scores


def content_vectors(matrix: InteractionMatrix, *, embeddings: FloatArray) -> FloatArray:
    """Return (users, d): the mean embedding of what each person took up, weighted, of length one."""
    weights = matrix.weights.copy()
    weights.data = np.log1p(weights.data)
    return normalise_rows(np.asarray(weights @ embeddings, dtype=np.float32))


def _places(values: pl.Series, *, among: pl.Series, missing: int) -> IntArray:
    place = {name: row for row, name in enumerate(among)}
    return np.array([place.get(value, missing) for value in values], dtype=np.int64)


def _affinity_rows(affinity: pl.DataFrame, *, user_ids: Sequence[str], categories: pl.Series) -> FloatArray:
    """Return (users, categories + 1); the last column, for items without a category, is zero."""
    rows = np.zeros((len(user_ids), len(categories) + 1), dtype=np.float32)
    known = affinity.filter(pl.col("user_id").is_in(list(user_ids)), pl.col("category").is_in(categories.to_list()))
    users = _places(known["user_id"], among=pl.Series(user_ids, dtype=pl.String), missing=-1)
    rows[users, _places(known["category"], among=categories, missing=-1)] = known["weight"].to_numpy()
    return rows
