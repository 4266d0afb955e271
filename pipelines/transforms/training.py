"""What a recommender learns from: positive signs of interest, each with its time and a weight."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.contracts.events import ItemKind
from pipelines.transforms.events import UTC_MICROSECONDS

TRAINING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "weight": pl.Float32(),
}
# How much more a deliberate act tells than a passing one. These are confidences of implicit feedback, not
# probabilities: only their ratios matter.
SIGN_WEIGHT: Final = {
    ItemKind.POST: {"like": 3.0, "comment": 3.0, "click": 1.0, "dwell": 1.0},
    ItemKind.CONNECTOR: {"join": 3.0, "visit": 1.0, "click": 1.0},
}


def training_interactions(events: pl.LazyFrame, *, kind: ItemKind) -> pl.LazyFrame:
    """Collect the signs of interest in items of ``kind``.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the whole history.
        kind: posts or connectors.

    Returns:
        A frame of ``TRAINING_SCHEMA``, one row a sign, in no order. An unlike or a deleted comment is no sign; a
        membership that was left is one still, for it was tried.
    """
    weights = SIGN_WEIGHT[kind]
    stands = pl.col("retracted_at").is_null() | (pl.col("kind") == "join")
    return (
        events.filter(pl.col("item_kind") == kind.value, pl.col("kind").is_in(list(weights)), stands)
        .with_columns(pl.col("kind").replace_strict(weights, return_dtype=pl.Float32).alias("weight"))
        .select(list(TRAINING_SCHEMA))
    )
