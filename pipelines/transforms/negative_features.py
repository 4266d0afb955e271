"""Features of what users do not want to see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from feature_repo.schemas import (
    EVENT_TIMESTAMP,
    MAX_HIDDEN_CONNECTORS,
    MONTH_WINDOWS,
    NEGATIVE_KINDS,
    USER_ID,
    USER_NEGATIVES,
)
from pipelines.transforms.as_of_windows import AS_OF, as_of_times, windowed_counts
from pipelines.transforms.pair_features import PAIR_HORIZON
from pipelines.transforms.view_schema import as_view

NEGATIVE_HORIZON: Final = PAIR_HORIZON


def user_negatives(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count the negative acts of each user before each as-of time, and list the connectors they hide.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` since ``NEGATIVE_HORIZON`` before the first as-of time.
        at: the as-of times.

    Returns:
        View ``user_negatives``: one row per as-of time and user with a negative act within ``NEGATIVE_HORIZON`` before
        it. ``hidden_connector_ids`` has at most ``MAX_HIDDEN_CONNECTORS`` ids of connectors that were hidden within
        28 days and not shown again, in ascending order.
    """
    negative = events.filter(pl.col("kind").is_in(list(NEGATIVE_KINDS)))
    counts = windowed_counts(
        negative,
        key=USER_ID,
        windows=MONTH_WINDOWS,
        columns=NEGATIVE_KINDS,
        present_for=NEGATIVE_HORIZON,
        at=as_of_times(at),
    )
    hidden = (
        negative.filter(pl.col("kind") == "hide", pl.col("item_kind") == "connector")
        .join(counts.select(USER_ID, AS_OF), on=USER_ID)
        .filter(
            pl.col("occurred_at") <= pl.col(AS_OF),
            pl.col("occurred_at") > pl.col(AS_OF) - MONTH_WINDOWS["28d"],
            pl.col("retracted_at").is_null() | (pl.col("retracted_at") > pl.col(AS_OF)),
        )
        .group_by(USER_ID, AS_OF)
        .agg(pl.col("item_id").unique().sort().head(MAX_HIDDEN_CONNECTORS).alias("hidden_connector_ids"))
    )
    lists = pl.col("hidden_connector_ids").fill_null(pl.lit([], pl.List(pl.String)))
    return as_view(
        counts.join(hidden, on=(USER_ID, AS_OF), how="left").with_columns(lists).rename({AS_OF: EVENT_TIMESTAMP}),
        schema=USER_NEGATIVES,
    )
