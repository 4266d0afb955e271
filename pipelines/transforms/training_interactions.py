"""Training interactions: implicit feedback with its time and a weight, and impressions with weight 0."""

from __future__ import annotations

from typing import Final

import polars as pl

from models.recommendation.data import CATEGORY
from models.recommendation.masks import MASKS, masking
from neighborconnect.contracts.events import ItemKind
from pipelines.ingest.schema import UTC_MICROSECONDS

TRAINING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "weight": pl.Float32(),
    MASKS: pl.Boolean(),
    CATEGORY: pl.String(),
}
IMPLICIT_FEEDBACK_WEIGHTS: Final = {
    ItemKind.POST: {"like": 3.0, "comment": 3.0, "click": 1.0, "dwell": 1.0},
    ItemKind.CONNECTOR: {"join": 3.0, "visit": 1.0, "click": 1.0},
    # An answer of attending, maybe or waiting. Opening an event is not yet an answer.
    ItemKind.EVENT: {"rsvp": 3.0, "click": 1.0, "dwell": 1.0},
    # A purchase is final, but one person alone can buy: most of what is known are visits. A visit is the first view.
    ItemKind.ITEM: {"purchase": 3.0, "visit": 1.0, "click": 1.0, "dwell": 1.0},
}
"""Confidence of an act by item kind and kind of act. Only ratios matter: a deliberate act counts more.

Messages to a seller are private and no interactions, and the platform has no list of saved items.
"""


IMPRESSION_WEIGHTS: Final = {"impression": 0.0, "hide": 0.0}
"""Acts that say that an item was seen. The response model learns from those that no other act followed."""


def training_interactions(events: pl.LazyFrame, *, kind: ItemKind) -> pl.LazyFrame:
    """Select the acts that express interest in items of ``kind``, and their impressions.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the complete history.
        kind: kind of the items.

    Returns:
        A frame of ``TRAINING_SCHEMA``, one row per act, without order. ``masks`` is whether serving excludes the item
        after the act; ``category`` is that of the item's connector at the time of the act. Retracted acts are dropped,
        except joins: a membership that was left expressed interest.
    """
    weights = IMPLICIT_FEEDBACK_WEIGHTS[kind] | IMPRESSION_WEIGHTS
    is_valid = pl.col("retracted_at").is_null() | (pl.col("kind") == "join")
    return (
        events.filter(pl.col("item_kind") == kind.value, pl.col("kind").is_in(list(weights)), is_valid)
        .with_columns(
            pl.col("kind").replace_strict(weights, return_dtype=pl.Float32).alias("weight"),
            masking(kind, pl.col("kind")),
        )
        .select(list(TRAINING_SCHEMA))
    )
