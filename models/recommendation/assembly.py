"""Make the snapshot that is served: from a fresh fit, or from an older snapshot and what came since."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from models.recommendation.choosing import Recipe
from models.recommendation.data import InteractionMatrix
from models.recommendation.model import Factors, Hyperparameters, fold_in, foretell_factors, popularity
from models.recommendation.scoring import BlendWeights, FloatArray
from models.recommendation.snapshot import FoldIn, ItemSnapshot, new_version
from models.recommendation.terms import Items, content_vectors, half_life_of
from neighborconnect.contracts.events import ItemKind

_POPULARITY_ONLY = BlendWeights(popularity=1.0)


def assemble(
    *,
    kind: ItemKind,
    model_version: str,
    recipe: Recipe,
    matrix: InteractionMatrix,
    factors: Factors,
    items: Items,
    interactions: pl.DataFrame,
) -> ItemSnapshot:
    """Put fitted factors beside all ``items``; trained items that are no longer among them are left out.

    ``factors`` were fitted on ``matrix``, which was built from ``interactions``.
    """
    trained = items.aligned(matrix.item_ids)
    counts = np.bincount(matrix.weights.indices, minlength=len(matrix.item_ids)).astype(np.float32)
    snapshot = ItemSnapshot(
        kind=kind,
        model_version=model_version,
        version="",
        item_ids=matrix.item_ids,
        factors=factors.items,
        is_warm=np.ones(len(matrix.item_ids), dtype=bool),
        embeddings=trained.embeddings,
        popularity=np.zeros(len(matrix.item_ids), dtype=np.float32),
        item_damping=factors.item_damping,
        projection=foretell_factors(trained.embeddings, factors=factors.items, counts=counts),
        categories=tuple(trained.frame["category"]),
        known=recipe.known,
        newcomer=recipe.newcomer,
        fold_in=FoldIn(
            recipe.hyperparameters.alpha, recipe.hyperparameters.regularization, recipe.hyperparameters.damping
        ),
        popularity_half_life_days=recipe.half_life_days,
    )
    return refresh(snapshot, items=items, interactions=interactions)


def assemble_popularity(
    *, kind: ItemKind, model_version: str, half_life_days: float | None, items: Items, interactions: pl.DataFrame
) -> ItemSnapshot:
    """Make the snapshot of the popularity baseline, which knows no people."""
    empty = ItemSnapshot(
        kind=kind,
        model_version=model_version,
        version="",
        item_ids=(),
        factors=np.zeros((0, 0), dtype=np.float32),
        is_warm=np.zeros(0, dtype=bool),
        embeddings=np.zeros((0, 0), dtype=np.float32),
        popularity=np.zeros(0, dtype=np.float32),
        item_damping=np.zeros(0, dtype=np.float32),
        projection=np.zeros((0, 0), dtype=np.float32),
        categories=(),
        known=_POPULARITY_ONLY,
        newcomer=_POPULARITY_ONLY,
        fold_in=FoldIn(0.0, 0.0, 0.0),
        popularity_half_life_days=half_life_days,
    )
    return refresh(empty, items=items, interactions=interactions)


def refresh(snapshot: ItemSnapshot, *, items: Items, interactions: pl.DataFrame) -> ItemSnapshot:
    """Return a newer snapshot of the same model with exactly ``items``, and popularity as ``interactions`` say.

    An item that the model was not trained on gets the factors that its text foretells.
    """
    item_ids = tuple(items.frame["item_id"])
    rows = np.array([snapshot.row_of.get(item_id, -1) for item_id in item_ids], dtype=np.int64)
    is_old = rows >= 0
    embeddings = items.embeddings if snapshot.is_personal else items.embeddings[:, :0]
    factors = np.zeros((len(item_ids), snapshot.factors.shape[1]), dtype=np.float32)
    if snapshot.is_personal:
        factors = (embeddings @ snapshot.projection).astype(np.float32)
    is_warm = np.zeros(len(item_ids), dtype=bool)
    is_warm[is_old] = snapshot.is_warm[rows[is_old]]
    warm_rows = rows[is_warm]
    factors[is_warm] = snapshot.factors[warm_rows]
    damping = np.ones(len(item_ids), dtype=np.float32)
    damping[is_warm] = snapshot.item_damping[warm_rows]
    half_life = half_life_of(snapshot.popularity_half_life_days)
    return replace(
        snapshot,
        version=new_version(),
        item_ids=item_ids,
        factors=factors,
        is_warm=is_warm,
        embeddings=embeddings,
        popularity=popularity(interactions, item_ids=item_ids, half_life=half_life),
        item_damping=damping,
        categories=tuple(items.frame["category"]),
    )


def fold_in_people(
    snapshot: ItemSnapshot, *, interactions: pl.DataFrame
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Give people vectors under a model that has already been trained, from what they did.

    Returns:
        Ids (sorted) of the people who took up a trained item, their factors (n, f) and content vectors (n, d).
    """
    warm = np.flatnonzero(snapshot.is_warm)
    warm_ids = tuple(snapshot.item_ids[row] for row in warm)
    known = interactions.join(pl.DataFrame({"item_id": warm_ids}), on="item_id", how="semi")
    user_ids, factors = fold_in(
        known,
        item_ids=warm_ids,
        item_factors=snapshot.factors[warm],
        item_damping=snapshot.item_damping[warm],
        hyperparameters=Hyperparameters(
            factors=snapshot.factors.shape[1],
            alpha=snapshot.fold_in.alpha,
            regularization=snapshot.fold_in.regularization,
            damping=snapshot.fold_in.damping,
        ),
    )
    matrix = InteractionMatrix.build(known)
    rows = [snapshot.row_of[item_id] for item_id in matrix.item_ids]
    return user_ids, factors, content_vectors(matrix, embeddings=snapshot.embeddings[rows])
