"""Implicit-feedback matrix factorisation (``implicit``), popularity, and factors for items that nobody has met."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import timedelta

# implicit runs its own threads over BLAS calls: BLAS must not open more below them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl
import scipy.sparse as sp

from models.recommendation.data import InteractionMatrix, positions
from models.recommendation.implicit_import import AlternatingLeastSquares
from models.recommendation.scoring import FloatArray, IntArray, solve_user

ITERATIONS = 15
_PROJECTION_RIDGE = 10.0


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Of implicit ALS: confidence is ``1 + alpha * log1p(weight) * (items_u * people_i) ** -damping``.

    Damping keeps the busiest people and the most popular items from deciding the factors alone; it plays the part
    of frequency-scaled regularisation (Rendle et al. 2021), which ``implicit`` does not have.
    """

    factors: int
    alpha: float
    regularization: float
    damping: float = 0.0
    iterations: int = ITERATIONS

    def as_dict(self) -> dict[str, float]:
        """Return the values by name."""
        return asdict(self)


# Few and far apart: small sets want strong ridges, large ones many factors. Validation chooses.
CANDIDATES = (
    Hyperparameters(factors=8, alpha=4.0, regularization=3.0),
    Hyperparameters(factors=16, alpha=4.0, regularization=10.0),
    Hyperparameters(factors=32, alpha=10.0, regularization=1.0),
    Hyperparameters(factors=64, alpha=8.0, regularization=60.0),
    Hyperparameters(factors=64, alpha=20.0, regularization=150.0),
    Hyperparameters(factors=64, alpha=40.0, regularization=1.0, damping=0.25),
)
# Sets with this many pairs can fill more factors.
LARGE = 500_000
LARGE_CANDIDATES = (
    Hyperparameters(factors=64, alpha=100.0, regularization=1.0, damping=0.25),
    Hyperparameters(factors=128, alpha=300.0, regularization=1.0, damping=0.4),
    Hyperparameters(factors=256, alpha=100.0, regularization=0.3, damping=0.4),
)


@dataclass(frozen=True)
class Factors:
    """Fitted factors; rows as in the matrix they were fitted on."""

    users: FloatArray
    items: FloatArray
    item_damping: FloatArray
    hyperparameters: Hyperparameters


def candidates_for(matrix: InteractionMatrix) -> tuple[Hyperparameters, ...]:
    """Return the settings worth trying on a set of this size."""
    if matrix.weights.nnz >= LARGE:
        return LARGE_CANDIDATES
    # More factors than half the smaller side only learn the training set by heart.
    widest = max(2, min(matrix.weights.shape) // 2)
    return tuple(candidate for candidate in CANDIDATES if candidate.factors <= widest) or (
        Hyperparameters(factors=widest, alpha=4.0, regularization=3.0),
    )


def damp(counts: FloatArray | IntArray, *, damping: float) -> FloatArray:
    """Return what each count takes from the confidence of its interactions."""
    return np.asarray(np.maximum(counts, 1).astype(np.float64) ** -damping, dtype=np.float32)


def fit(matrix: InteractionMatrix, *, hyperparameters: Hyperparameters, seed: int) -> Factors:
    """Fit factors; the same input and seed give the same factors up to the order of parallel sums."""
    weights = matrix.weights
    item_damping = damp(np.bincount(weights.indices, minlength=weights.shape[1]), damping=hyperparameters.damping)
    user_damping = damp(np.diff(weights.indptr), damping=hyperparameters.damping)
    confidence = weights.copy()
    confidence.data = np.log1p(confidence.data)
    confidence = sp.csr_matrix(sp.diags(user_damping) @ confidence @ sp.diags(item_damping), dtype=np.float32)
    confidence.data = 1.0 + hyperparameters.alpha * confidence.data
    model = AlternatingLeastSquares(
        factors=hyperparameters.factors,
        alpha=1.0,
        regularization=hyperparameters.regularization,
        iterations=hyperparameters.iterations,
        random_state=seed,
        use_gpu=False,
        num_threads=0,
    )
    model.fit(confidence, show_progress=False)
    return Factors(np.asarray(model.user_factors), np.asarray(model.item_factors), item_damping, hyperparameters)


def fold_in(
    interactions: pl.DataFrame,
    *,
    item_ids: tuple[str, ...],
    item_factors: FloatArray,
    item_damping: FloatArray,
    hyperparameters: Hyperparameters,
) -> tuple[tuple[str, ...], FloatArray]:
    """Give people factors in the space of trained items, from their interactions with those.

    Args:
        interactions: columns of ``INTERACTIONS_SCHEMA``; items that are not in ``item_ids`` are left out.
        item_ids: ids of the rows of ``item_factors`` and ``item_damping``.
        item_factors: (n, f) factors of trained items.
        item_damping: (n,).
        hyperparameters: those of the training.

    Returns:
        The ids of the people who did anything with those items, sorted, and their factors.
    """
    known = interactions.join(pl.DataFrame({"item_id": item_ids}), on="item_id", how="semi")
    matrix = InteractionMatrix.build(known)
    columns = positions(pl.Series(matrix.item_ids, dtype=pl.String), among=pl.Series(item_ids, dtype=pl.String))
    gram = (item_factors.T @ item_factors).astype(np.float64)
    users = np.zeros((len(matrix.user_ids), item_factors.shape[1]), dtype=np.float32)
    indptr, indices, data = matrix.weights.indptr, matrix.weights.indices, matrix.weights.data
    for row in range(len(users)):
        cells = slice(indptr[row], indptr[row + 1])
        items = columns[indices[cells]]
        own = damp(np.array([len(items)]), damping=hyperparameters.damping)
        confidence = 1.0 + hyperparameters.alpha * np.log1p(data[cells]) * own * item_damping[items]
        users[row] = solve_user(
            item_factors,
            gram=gram,
            items=items,
            confidence=confidence,
            regularization=hyperparameters.regularization,
        )
    return matrix.user_ids, users


def popularity(
    interactions: pl.DataFrame, *, item_ids: tuple[str, ...], half_life: timedelta | None = None
) -> FloatArray:
    """Return how many people took each item up, scaled so that the highest is one.

    Args:
        interactions: columns of ``INTERACTIONS_SCHEMA``; the newest of them is "now".
        item_ids: the items to count, in this order.
        half_life: with it, a person who came that long before now counts half; without, all count alike.
    """
    counted = interactions.group_by("user_id", "item_id").agg(pl.col("occurred_at").max())
    share = pl.lit(1.0)
    if half_life is not None:
        age = (pl.lit(counted["occurred_at"].max()) - pl.col("occurred_at")).dt.total_seconds()
        share = pl.lit(0.5).pow(age / half_life.total_seconds())
    counts = counted.group_by("item_id").agg(share.sum().alias("count") if half_life else pl.len().alias("count"))
    found = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String}).join(
        counts, on="item_id", how="left", maintain_order="left"
    )
    values = found["count"].fill_null(0).to_numpy().astype(np.float32)
    highest = float(values.max(initial=0.0))
    return values / highest if highest > 0 else values


def foretell_factors(embeddings: FloatArray, *, factors: FloatArray, counts: FloatArray) -> FloatArray:
    """Learn the map (d, f) from text embeddings to factors by ridge regression, weighted by what is known of an item.

    Args:
        embeddings: (n, d) of trained items.
        factors: (n, f) of the same items.
        counts: (n,) how many people each item's factors come from.
    """
    if embeddings.shape[1] == 0 or factors.shape[1] == 0:
        return np.zeros((embeddings.shape[1], factors.shape[1]), dtype=np.float32)
    weights = np.sqrt(counts)[:, None]
    left = embeddings.T @ (embeddings * weights) + _PROJECTION_RIDGE * np.eye(embeddings.shape[1])
    return np.linalg.solve(left, embeddings.T @ (factors * weights)).astype(np.float32)
