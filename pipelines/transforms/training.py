"""What a recommender learns from: positive signs of interest, each with its time and a weight.

The weights say how much more a deliberate act tells than a passing one. They are confidences for implicit feedback,
not probabilities; only their ratios matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from neighborconnect.contracts.events import InteractionKind, ItemKind

JOIN_WEIGHT, LIKE_WEIGHT, COMMENT_WEIGHT = 3.0, 3.0, 3.0
CLICK_WEIGHT, VISIT_WEIGHT, DWELL_WEIGHT = 1.0, 1.0, 1.0
# Reading for this long is a sign of interest; scrolling past is not.
LONG_DWELL_MS = 10_000

SCHEMA: Final[dict[str, pl.DataType]] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "occurred_at": pl.Datetime("us", "UTC"),
    "weight": pl.Float32(),
}
TABLES: Final = {
    ItemKind.POST: ("interactions", "post_likes", "comments"),
    ItemKind.CONNECTOR: ("interactions", "connector_members"),
}
"""The lake tables that ``training_interactions`` needs, by kind of item."""


def training_interactions(kind: ItemKind, *, events: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Collect the signs of interest in items of ``kind``.

    Args:
        kind: posts or connectors.
        events: lake events by table, those of ``TABLES[kind]``.

    Returns:
        A frame of ``SCHEMA``, one row a sign, in no order. What was taken back (an unlike, a deleted comment) is not
        in it; a membership that was left is, for joining was a sign of interest all the same.
    """
    signs = [_behaviour(kind, interactions=events["interactions"])]
    if kind is ItemKind.POST:
        signs.append(_acts(standing(events["post_likes"]), user="user_id", item="post_id", weight=LIKE_WEIGHT))
        signs.append(_acts(standing(events["comments"]), user="author_id", item="post_id", weight=COMMENT_WEIGHT))
    else:
        joined = events["connector_members"].filter(pl.col("_op").is_in(["c", "r"])).unique("id", keep="any")
        signs.append(_acts(joined, user="user_id", item="connector_id", weight=JOIN_WEIGHT, at="joined_at"))
    return pl.concat(signs)


def standing(changes: pl.LazyFrame) -> pl.LazyFrame:
    """Keep the newest change of each row, of the rows that were not deleted."""
    newest = pl.col("_event_id") == pl.col("_event_id").max().over("id")
    return changes.filter(newest).filter(pl.col("_op") != "d")


def _behaviour(kind: ItemKind, *, interactions: pl.LazyFrame) -> pl.LazyFrame:
    weight = (
        pl.when(pl.col("kind") == InteractionKind.CLICK)
        .then(CLICK_WEIGHT)
        .when(pl.col("kind") == InteractionKind.VISIT)
        .then(VISIT_WEIGHT)
        .when((pl.col("kind") == InteractionKind.DWELL) & (pl.col("dwell_ms") >= LONG_DWELL_MS))
        .then(DWELL_WEIGHT)
    )
    of_kind = interactions.filter(pl.col("item_kind") == kind).with_columns(weight.cast(pl.Float32).alias("weight"))
    return of_kind.filter(pl.col("weight").is_not_null()).select(list(SCHEMA))


def _acts(rows: pl.LazyFrame, *, user: str, item: str, weight: float, at: str = "created_at") -> pl.LazyFrame:
    return rows.select(
        pl.col(user).alias("user_id"),
        pl.col(item).alias("item_id"),
        pl.col(at).alias("occurred_at"),
        pl.lit(weight, dtype=pl.Float32).alias("weight"),
    )
