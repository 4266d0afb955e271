"""Construction of the item index: from fitted factors, or from an older index and newer items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from models.recommendation.als import Factors, Hyperparameters, fold_in, popularity, predict_cold_start_factors
from models.recommendation.data import InteractionMatrix
from models.recommendation.model_selection import AFFINITY_ONLY, ModelConfig
from models.recommendation.response import Responses, fit_responses
from models.recommendation.score_components import (
    Items,
    attributes_of,
    content_vectors,
    half_life_of,
    seen_items,
)
from models.recommendation.scoring import BlendWeights, FloatArray
from models.recommendation.serving_artifact import (
    CLOSED,
    POPULARITY,
    RESPONSE_CATEGORIES,
    VARIANT,
    FoldIn,
    ItemIndex,
    new_version,
)
from neighborconnect.contracts.events import ItemKind

_POPULARITY_ONLY = BlendWeights(popularity=1.0)


def assemble(
    *,
    kind: ItemKind,
    model_version: str,
    config: ModelConfig,
    matrix: InteractionMatrix,
    factors: Factors,
    items: Items,
    interactions: pl.DataFrame,
    responses: Responses | None = None,
) -> ItemIndex:
    """Return the index of ``items`` under fitted factors; trained items that are not in ``items`` are left out.

    ``factors`` were fitted on ``matrix``, which was built from ``interactions``. The response model has no factors, and
    ``responses``, which were fitted on ``interactions`` and ``items``.
    """
    trained = items.aligned(matrix.item_ids)
    counts = np.bincount(matrix.weights.indices, minlength=len(matrix.item_ids)).astype(np.float32)
    index = ItemIndex(
        kind=kind,
        model_version=model_version,
        version="",
        item_ids=matrix.item_ids,
        factors=factors.items,
        is_warm=np.ones(len(matrix.item_ids), dtype=bool),
        embeddings=trained.embeddings,
        popularity=np.zeros(len(matrix.item_ids), dtype=np.float32),
        item_damping=factors.item_damping,
        projection=predict_cold_start_factors(trained.embeddings, factors=factors.items, counts=counts),
        categories=tuple(trained.frame["category"]),
        warm_user=config.warm_user,
        cold_user=config.cold_user,
        fold_in=FoldIn(
            config.hyperparameters.alpha, config.hyperparameters.regularization, config.hyperparameters.damping
        ),
        popularity_half_life_days=config.half_life_days,
        extra={VARIANT: config.variant.value, RESPONSE_CATEGORIES: list(items.category_names)},
    )
    return refresh(index, items=items, interactions=interactions, responses=responses)


def assemble_popularity(
    *, kind: ItemKind, model_version: str, half_life_days: float | None, items: Items, interactions: pl.DataFrame
) -> ItemIndex:
    """Return the index of the popularity baseline, which uses no data of a user but their stated interests."""
    empty = ItemIndex(
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
        warm_user=_POPULARITY_ONLY,
        cold_user=AFFINITY_ONLY,
        fold_in=FoldIn(0.0, 0.0, 0.0),
        popularity_half_life_days=half_life_days,
        extra={VARIANT: POPULARITY},
    )
    return refresh(empty, items=items, interactions=interactions)


def refresh(
    index: ItemIndex, *, items: Items, interactions: pl.DataFrame, responses: Responses | None = None
) -> ItemIndex:
    """Return a newer index of the same model for exactly ``items``, with the popularity of ``interactions``.

    An item that the model was not trained on gets factors predicted from its text. The response model gets the quality
    of all items by ``responses``, which are fitted on ``interactions`` and the other kinds if left out.
    """
    item_ids = tuple(items.frame["item_id"])
    rows = np.array([index.row_of.get(item_id, -1) for item_id in item_ids], dtype=np.int64)
    is_trained = rows >= 0
    embeddings = items.embeddings if index.is_personal else items.embeddings[:, :0]
    factors = np.zeros((len(item_ids), index.factors.shape[1]), dtype=np.float32)
    closed = items.frame.filter(~pl.col("is_open"))["item_id"].to_list()
    extra = {name: value for name, value in index.extra.items() if name != CLOSED} | (
        {CLOSED: closed} if closed else {}
    )
    if index.is_personal:
        factors = (embeddings @ index.projection).astype(np.float32)
    is_warm = np.zeros(len(item_ids), dtype=bool)
    is_warm[is_trained] = index.is_warm[rows[is_trained]]
    warm_rows = rows[is_warm]
    factors[is_warm] = index.factors[warm_rows]
    damping = np.ones(len(item_ids), dtype=np.float32)
    damping[is_warm] = index.item_damping[warm_rows]
    half_life = half_life_of(index.popularity_half_life_days)
    attributes = attributes_of(items.frame, kind=index.kind)
    quality, texts, text_rows = None, None, None
    if index.response_items is not None:
        quality = (fit_all_kinds(interactions, items=items) if responses is None else responses).quality_of(item_ids)
        if items.connectors is not None and not items.connectors.is_own:
            texts, text_rows = items.connectors.embeddings, items.connectors.rows
    return replace(
        index,
        version=new_version(),
        quality=quality,
        connector_texts=texts,
        connector_rows=text_rows,
        item_ids=item_ids,
        factors=factors,
        is_warm=is_warm,
        embeddings=embeddings,
        popularity=popularity(interactions, item_ids=item_ids, half_life=half_life),
        item_damping=damping,
        categories=attributes.categories,
        connectors=attributes.connectors,
        authors=attributes.authors,
        created_at=attributes.created_at,
        extra=extra,
    )


def open_items(index: ItemIndex) -> ItemIndex:
    """Return the index without the closed items, which only fold in the users who interacted with them."""
    closed = set(index.extra.get(CLOSED, ()))
    if not closed:
        return index
    rows = np.array([row for row, item_id in enumerate(index.item_ids) if item_id not in closed], dtype=np.int64)
    highest = float(index.popularity[rows].max(initial=0.0))
    return replace(
        index,
        item_ids=tuple(index.item_ids[row] for row in rows),
        factors=index.factors[rows],
        is_warm=index.is_warm[rows],
        embeddings=index.embeddings[rows],
        popularity=index.popularity[rows] / highest if highest > 0 else index.popularity[rows],
        item_damping=index.item_damping[rows],
        categories=tuple(index.categories[row] for row in rows),
        connectors=tuple(index.connectors[row] for row in rows),
        authors=None if index.authors is None else index.authors[rows],
        created_at=None if index.created_at is None else index.created_at[rows],
        quality=None if index.quality is None else index.quality[rows],
        connector_rows=None if index.connector_rows is None else index.connector_rows[rows],
        extra={name: value for name, value in index.extra.items() if name != CLOSED},
    )


def fold_in_users(index: ItemIndex, *, interactions: pl.DataFrame) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Compute the factors of users under a trained model from interactions, without training.

    Returns:
        Sorted ids of the n users who interacted with a trained item, their factors (n, f) and content vectors (n, d).
    """
    warm = np.flatnonzero(index.is_warm)
    warm_ids = tuple(index.item_ids[row] for row in warm)
    with_warm_items = interactions.join(pl.DataFrame({"item_id": warm_ids}), on="item_id", how="semi")
    user_ids, factors = fold_in(
        with_warm_items,
        item_ids=warm_ids,
        item_factors=index.factors[warm],
        item_damping=index.item_damping[warm],
        hyperparameters=Hyperparameters(
            factors=index.factors.shape[1],
            alpha=index.fold_in.alpha,
            regularization=index.fold_in.regularization,
            damping=index.fold_in.damping,
        ),
    )
    matrix = InteractionMatrix.build(with_warm_items)
    rows = [index.row_of[item_id] for item_id in matrix.item_ids]
    return user_ids, factors, content_vectors(matrix, embeddings=index.embeddings[rows])


def fit_all_kinds(interactions: pl.DataFrame, *, items: Items) -> Responses:
    """Fit the response model on the interactions with items of one kind, and on those with the other kinds."""
    seen, described = seen_items(interactions, items=items)
    return fit_responses(seen, items=described)


def response_vectors(
    index: ItemIndex, *, interactions: pl.DataFrame, items: Items, responses: Responses | None = None
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return the users of the response model, their vectors (n, f) for an index, and their content vectors (n, d).

    Args:
        index: its categories have coefficients in the vectors.
        interactions: acts with items of the kind and their impressions, which the content vectors are means of.
        items: items of the kind.
        responses: fitted on all kinds; they are fitted if left out.
    """
    fitted = fit_all_kinds(interactions, items=items) if responses is None else responses
    known = pl.DataFrame({"item_id": items.frame["item_id"]}, schema={"item_id": pl.String})
    matrix = InteractionMatrix.build(interactions.join(known, on="item_id", how="semi"))
    embeddings = items.aligned(matrix.item_ids).embeddings
    content_of = dict(zip(matrix.user_ids, content_vectors(matrix, embeddings=embeddings), strict=True))
    none = np.zeros(items.embeddings.shape[1], dtype=np.float32)
    content = [content_of.get(user_id, none) for user_id in fitted.user_ids]
    vectors = fitted.vectors_by(index.extra[RESPONSE_CATEGORIES])
    return fitted.user_ids, vectors, np.array(content, dtype=np.float32).reshape(len(content), len(none))
