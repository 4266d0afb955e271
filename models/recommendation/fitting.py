"""Choose a recipe on a validation split inside the training side, and fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from models.recommendation.data import InteractionMatrix, Split, SplitProtocol
from models.recommendation.evaluate import RankingMetrics, Scorer, evaluate, judged_users
from models.recommendation.features import FeatureSource, SplitFeatures
from models.recommendation.model import Factors, Hyperparameters, candidates_for, fit, popularity
from models.recommendation.scoring import BlendWeights, FloatArray, IntArray, normalise_rows

HALF_LIVES_DAYS = (None, 30.0, 7.0)
_POPULARITY_GRID = (0.0, 0.03, 0.1, 0.3, 1.0)
_TASTE_GRID = (0.0, 0.1, 0.3, 1.0)
_NEWCOMER_POPULARITY_GRID = (0.1, 0.3, 1.0)
_MAX_VALIDATION_USERS = 1_500

Progress = Callable[[str], None]


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


@dataclass(frozen=True)
class Recipe:
    """All that was chosen: enough to fit the same model on other days."""

    hyperparameters: Hyperparameters
    half_life_days: float | None
    known: BlendWeights
    newcomer: BlendWeights

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "hyperparameters": self.hyperparameters.as_dict(),
            "half_life_days": self.half_life_days,
            "known": self.known.as_dict(),
            "newcomer": self.newcomer.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Read what ``as_dict`` wrote."""
        return cls(
            Hyperparameters(**values["hyperparameters"]),
            values["half_life_days"],
            BlendWeights(**values["known"]),
            BlendWeights(**values["newcomer"]),
        )


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
    def build(
        cls, split: Split, *, items: Items, features: SplitFeatures, half_life_days: float | None
    ) -> Terms:
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


def gain(metrics: RankingMetrics) -> float:
    """What validation maximises: recall and ndcg alike, as the gate asks for both."""
    return float(metrics.recall.mean() + metrics.ndcg.mean())


def choose_recipe(
    split: Split, *, protocol: SplitProtocol, items: Items, features: FeatureSource, seed: int, progress: Progress
) -> Recipe:
    """Try the candidates on a validation split inside ``split.train``; ``split.test`` is not looked at.

    Raises:
        NotEnoughDataError: when the training side cannot be split once more.
    """
    validation = protocol.split(split.train)
    answers = validation.matrix.encode(validation.test)
    users = judged_users(answers, at_most=_MAX_VALIDATION_USERS, seed=seed)
    user_ids = [validation.matrix.user_ids[row] for row in users]
    known_features = features.read(validation, user_ids=user_ids, items=items.frame)

    def judge(scorer: Scorer) -> float:
        return gain(evaluate(scorer, seen=validation.matrix.weights, held_out=answers, users=users))

    days = HALF_LIVES_DAYS if validation.cut is not None else (None,)
    terms_by_day = {
        day: Terms.build(validation, items=items, features=known_features, half_life_days=day) for day in days
    }
    half_life_days = max(days, key=lambda day: judge(terms_by_day[day].by_popularity()))
    terms = terms_by_day[half_life_days]
    progress(f"popularity with a half-life of {half_life_days or 'for ever'} days serves best as a baseline")

    best: tuple[float, Hyperparameters, Factors, BlendWeights] | None = None
    for candidate in candidates_for(validation.matrix):
        factors = fit(validation.matrix, hyperparameters=candidate, seed=seed)
        scored = [
            (judge(terms.known(factors, weights)), weights)
            for weights in (BlendWeights(popularity=weight) for weight in _POPULARITY_GRID)
        ]
        score, weights = max(scored, key=lambda pair: pair[0])
        progress(f"{candidate.factors} factors, alpha {candidate.alpha:g}: validation gain {score:.4f}")
        if best is None or score > best[0]:
            best = (score, candidate, factors, weights)
    assert best is not None, "there is always a candidate"  # noqa: S101 (for the type checker)
    _, hyperparameters, factors, weights = best

    content_grid = _TASTE_GRID if terms.embeddings.shape[1] else (0.0,)
    affinity_grid = _TASTE_GRID if terms.affinity.any() else (0.0,)
    tastes = list(product(content_grid, affinity_grid))
    known = max(
        (BlendWeights(weights.popularity, content, affinity) for content, affinity in tastes),
        key=lambda candidate: judge(terms.known(factors, candidate)),
    )
    newcomer = max(
        (
            BlendWeights(weight, content, affinity)
            for weight, (content, affinity) in product(_NEWCOMER_POPULARITY_GRID, tastes)
            # Somebody whose taste is known must not get what everybody gets.
            if content or affinity or tastes == [(0.0, 0.0)]
        ),
        key=lambda candidate: judge(terms.newcomer(candidate)),
    )
    progress(f"chosen: {hyperparameters.factors} factors, weights {known.as_dict()}")
    return Recipe(hyperparameters, half_life_days, known, newcomer)
