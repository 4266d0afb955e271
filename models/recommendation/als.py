"""Implicit-feedback matrix factorization by ALS (``implicit``), popularity, and factors of cold items."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

# implicit calls BLAS from its own threads: BLAS must not start more threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl
import scipy.sparse as sp

from models.recommendation.data import STANDING, InteractionMatrix, acts_of, of_standing, positions
from models.recommendation.scoring import FloatArray, IntArray, solve_user
from models.vendor_patches import AlternatingLeastSquares

ITERATIONS = 15
_PROJECTION_RIDGE = 10.0


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyperparameters of implicit ALS (Hu, Koren and Volinsky, 2008).

    The confidence of an interaction is ``1 + alpha * log1p(weight) * (items_u * users_i) ** -damping``, with the number
    of items of the user and of users of the item. Damping limits the influence of the most active users and the most
    popular items; it replaces frequency-scaled regularization (Rendle et al., "Revisiting the Performance of iALS on
    Item Recommendation Benchmarks", 2021), which ``implicit`` does not support.
    """

    factors: int
    alpha: float
    regularization: float
    damping: float = 0.0
    iterations: int = ITERATIONS

    def as_dict(self) -> dict[str, float]:
        """Return the values by name."""
        return asdict(self)


# A coarse grid: small data sets need strong regularization, large ones many factors. Validation selects.
CANDIDATES = (
    Hyperparameters(factors=8, alpha=4.0, regularization=3.0),
    Hyperparameters(factors=16, alpha=4.0, regularization=10.0),
    Hyperparameters(factors=32, alpha=10.0, regularization=1.0),
    Hyperparameters(factors=64, alpha=8.0, regularization=60.0),
    Hyperparameters(factors=64, alpha=20.0, regularization=150.0),
    Hyperparameters(factors=64, alpha=40.0, regularization=1.0, damping=0.25),
)
# Data sets with this many pairs support more factors.
LARGE = 500_000
LARGE_CANDIDATES = (
    Hyperparameters(factors=64, alpha=100.0, regularization=1.0, damping=0.25),
    Hyperparameters(factors=128, alpha=300.0, regularization=1.0, damping=0.4),
    Hyperparameters(factors=256, alpha=100.0, regularization=0.3, damping=0.4),
)


@dataclass(frozen=True)
class Factors:
    """Fitted factors; rows as in the matrix that they were fitted on."""

    users: FloatArray
    items: FloatArray
    item_damping: FloatArray
    hyperparameters: Hyperparameters


def candidates_for(matrix: InteractionMatrix) -> tuple[Hyperparameters, ...]:
    """Return the candidates for a data set of this size."""
    if matrix.weights.nnz >= LARGE:
        return LARGE_CANDIDATES
    # More factors than half the smaller side overfit.
    widest = max(2, min(matrix.weights.shape) // 2)
    return tuple(candidate for candidate in CANDIDATES if candidate.factors <= widest) or (
        Hyperparameters(factors=widest, alpha=4.0, regularization=3.0),
    )


def damp(counts: FloatArray | IntArray, *, damping: float) -> FloatArray:
    """Return the damping factor of each count, ``max(count, 1) ** -damping``."""
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


def without_factors(matrix: InteractionMatrix, *, hyperparameters: Hyperparameters) -> Factors:
    """Return factors without columns: their component of the score is zero for every user."""
    users, items = (np.zeros((rows, 0), dtype=np.float32) for rows in matrix.weights.shape)
    return Factors(users, items, np.ones(len(items), dtype=np.float32), replace(hyperparameters, factors=0))


def fold_in(
    interactions: pl.DataFrame,
    *,
    item_ids: tuple[str, ...],
    item_factors: FloatArray,
    item_damping: FloatArray,
    hyperparameters: Hyperparameters,
) -> tuple[tuple[str, ...], FloatArray]:
    """Compute user factors in the space of trained items, from interactions with those.

    Args:
        interactions: columns of ``INTERACTIONS_SCHEMA``; items that are not in ``item_ids`` are left out.
        item_ids: ids of the rows of ``item_factors`` and ``item_damping``.
        item_factors: (n, f) factors of trained items.
        item_damping: (n,).
        hyperparameters: those of the training.

    Returns:
        Sorted ids of the users who interacted with those items, and their (users, f) factors.
    """
    with_trained_items = interactions.join(pl.DataFrame({"item_id": item_ids}), on="item_id", how="semi")
    matrix = InteractionMatrix.build(with_trained_items)
    columns = positions(pl.Series(matrix.item_ids, dtype=pl.String), among=pl.Series(item_ids, dtype=pl.String))
    users = np.zeros((len(matrix.user_ids), item_factors.shape[1]), dtype=np.float32)
    if not item_factors.shape[1]:
        return matrix.user_ids, users
    gram = (item_factors.T @ item_factors).astype(np.float64)
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
    """Return the number of users who interacted with each item, each by standing, scaled so that the highest is one.

    Args:
        interactions: columns of ``INTERACTIONS_SCHEMA``; the newest of them is "now".
        item_ids: the items to count, in this order.
        half_life: age at which a user's interaction counts half; None for no decay.
    """
    known = of_standing(acts_of(interactions))
    # Where nobody has standing, everybody counts alike.
    has_standing = STANDING in known.columns and known[STANDING].max() != 0
    weight = pl.col(STANDING).cast(pl.Float64) if has_standing else pl.lit(1.0)
    counted = (
        known.with_columns(weight.alias("share"))
        .group_by("user_id", "item_id")
        .agg(pl.col("occurred_at", "share").max())
    )
    if half_life is not None:
        age = (pl.lit(counted["occurred_at"].max()) - pl.col("occurred_at")).dt.total_seconds()
        counted = counted.with_columns(pl.col("share") * pl.lit(0.5).pow(age / half_life.total_seconds()))
    counts = counted.group_by("item_id").agg(pl.col("share").sum().alias("count"))
    joined = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String}).join(
        counts, on="item_id", how="left", maintain_order="left"
    )
    values = joined["count"].fill_null(0).to_numpy().astype(np.float32)
    highest = float(values.max(initial=0.0))
    return values / highest if highest > 0 else values


def predict_cold_start_factors(embeddings: FloatArray, *, factors: FloatArray, counts: FloatArray) -> FloatArray:
    """Fit the (d, f) map from text embeddings to factors by ridge regression (Gantner et al., 2010).

    Args:
        embeddings: (n, d) of trained items.
        factors: (n, f) of the same items.
        counts: (n,) number of users behind each item's factors, which weights the item.
    """
    if embeddings.shape[1] == 0 or factors.shape[1] == 0:
        return np.zeros((embeddings.shape[1], factors.shape[1]), dtype=np.float32)
    weights = np.sqrt(counts)[:, None]
    left = embeddings.T @ (embeddings * weights) + _PROJECTION_RIDGE * np.eye(embeddings.shape[1])
    return np.linalg.solve(left, embeddings.T @ (factors * weights)).astype(np.float32)
