"""Features of users: what they did lately and what they care for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import (
    ACTIVITY_WINDOWS,
    COUNTED_KINDS,
    EVENT_TIMESTAMP,
    MAX_CATEGORIES,
    MAX_RECENT_ITEMS,
    RECENT_WINDOW,
    USER_ACTIVITY,
    USER_AFFINITY,
    USER_ID,
    USER_RECENT_ACTIVITY,
)
from pipelines.transforms.sweep import MOMENT, moments, running, steps, window_end, windowed_counts
from pipelines.transforms.typed import as_view

# A user keeps rows this long after the last act that could count, so that "nothing any more" is written too.
ACTIVITY_HORIZON: Final = max(ACTIVITY_WINDOWS.values()) + timedelta(days=7)
RECENT_HORIZON: Final = RECENT_WINDOW + timedelta(hours=2)
# What an affinity forgets: after the horizon an act weighs less than 1.2 % of a fresh one and is dropped.
AFFINITY_HALF_LIFE: Final = timedelta(days=14)
AFFINITY_HORIZON: Final = timedelta(days=90)
AFFINITY_WEIGHT: Final = {
    "click": 1.0,
    "dwell": 1.0,
    "visit": 2.0,
    "like": 3.0,
    "comment": 4.0,
    "post": 4.0,
    "join": 5.0,
    "hide": -3.0,
}
ENGAGED_KINDS: Final = ("click", "visit", "like", "comment", "join")


def user_activity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count a user's acts in the windows up to each moment.

    Point-in-time: an act counts at t where it occurred in ``(t - window, t]`` and was not retracted by t.

    Returns:
        View ``user_activity``: one row a user and moment for who acted within ``ACTIVITY_HORIZON`` before it.
    """
    return as_view(
        windowed_counts(
            events,
            key=USER_ID,
            windows=ACTIVITY_WINDOWS,
            columns=COUNTED_KINDS,
            present_for=ACTIVITY_HORIZON,
            at=moments(at),
        ).rename({MOMENT: EVENT_TIMESTAMP}),
        schema=USER_ACTIVITY,
    )


def user_recent_activity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count a user's last hour at each moment, and name what they engaged with in it.

    The lists hold at most ``MAX_RECENT_ITEMS`` distinct ids, newest act first (equal times in the order of the ids).

    Returns:
        View ``user_recent_activity``: one row a user and moment for who acted within ``RECENT_HORIZON`` before it.
    """
    sorted_at = moments(at)
    counts = windowed_counts(
        events,
        key=USER_ID,
        windows={"last_hour": RECENT_WINDOW},
        columns=COUNTED_KINDS,
        present_for=RECENT_HORIZON,
        at=sorted_at,
    )
    seen = counts.select(USER_ID, MOMENT)
    engaged = (
        events.filter(pl.col("kind").is_in(ENGAGED_KINDS))
        .join(seen, on=USER_ID)
        .filter(
            pl.col("occurred_at") <= pl.col(MOMENT),
            pl.col("occurred_at") > pl.col(MOMENT) - RECENT_WINDOW,
            pl.col("retracted_at").is_null() | (pl.col("retracted_at") > pl.col(MOMENT)),
        )
        .group_by(USER_ID, MOMENT, "item_kind", "item_id")
        .agg(pl.col("occurred_at").max())
        .group_by(USER_ID, MOMENT)
        .agg(_newest("post").alias("recent_post_ids"), _newest("connector").alias("recent_connector_ids"))
    )
    lists = [pl.col(name).fill_null(pl.lit([], pl.List(pl.String))) for name in _RECENT_LISTS]
    return as_view(
        counts.join(engaged, on=(USER_ID, MOMENT), how="left").with_columns(lists).rename({MOMENT: EVENT_TIMESTAMP}),
        schema=USER_RECENT_ACTIVITY,
    )


_RECENT_LISTS: Final = ("recent_post_ids", "recent_connector_ids")


def _newest(item_kind: str) -> pl.Expr:
    chosen = pl.col("item_kind") == item_kind
    return (
        pl.col("item_id")
        .filter(chosen)
        .sort_by(pl.col("occurred_at").filter(chosen), pl.col("item_id").filter(chosen), descending=[True, False])
        .head(MAX_RECENT_ITEMS)
    )


def user_affinity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Weigh the categories a user cares for at each moment.

    An act weighs ``AFFINITY_WEIGHT`` of its kind, halved every ``AFFINITY_HALF_LIFE``, and nothing once it is
    ``AFFINITY_HORIZON`` old or retracted. A hide counts against its category.

    Returns:
        View ``user_affinity``: ``categories`` (at most ``MAX_CATEGORIES``, heaviest first) and ``weights``, parallel,
        positive, summing to one; both empty where nothing is left. One row a user and moment for who did anything
        that weighs within the horizon and its half-life after it.
    """
    sorted_at = moments(at)
    weighing = events.filter(pl.col("kind").is_in(list(AFFINITY_WEIGHT)))
    present = windowed_counts(
        weighing, key=USER_ID, windows={}, columns={}, present_for=AFFINITY_HORIZON + AFFINITY_HALF_LIFE, at=sorted_at
    )
    key = (USER_ID, "category")
    # Decay is a common factor of all acts at one moment, so growth towards a fixed origin may stand for it.
    age = (pl.col("occurred_at") - sorted_at[0]).dt.total_microseconds()
    grown = pl.lit(2.0).pow(age / (AFFINITY_HALF_LIFE / timedelta(microseconds=1)))
    weight = pl.col("kind").replace_strict(AFFINITY_WEIGHT, return_dtype=pl.Float64) * grown
    end = window_end(AFFINITY_HORIZON)
    placed = weighing.filter(pl.col("category").is_not_null())
    stepped = pl.concat(
        [
            steps(placed, keep=key, end=end, value=weight, at=sorted_at).with_columns(_acts=pl.lit(0, pl.Int64)),
            steps(placed, keep=key, end=end, value=pl.lit(1, pl.Int64), at=sorted_at)
            .rename({"step": "_acts"})
            .with_columns(step=pl.lit(0.0)),
        ],
        how="diagonal",
    )
    scores = (
        running(
            stepped.group_by(*key, "index").agg(pl.col("step").sum(), pl.col("_acts").sum()),
            key=key,
            values=("step", "_acts"),
            at=sorted_at,
        )
        # Adding and taking away leaves rounding dust: who has no act left has no weight, however small.
        .filter(pl.col("_acts") > 0, pl.col("step") > 0)
        .group_by(USER_ID, MOMENT)
        .agg(
            _heaviest(pl.col("category")).alias("categories"),
            _heaviest(pl.col("step")).alias("weights"),
        )
        .with_columns(pl.col("weights") / pl.col("weights").list.sum())
    )
    return as_view(
        present.join(scores, on=(USER_ID, MOMENT), how="left")
        .with_columns(
            pl.col("categories").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("weights").fill_null(pl.lit([], pl.List(pl.Float64))),
        )
        .rename({MOMENT: EVENT_TIMESTAMP}),
        schema=USER_AFFINITY,
    )


def _heaviest(column: pl.Expr) -> pl.Expr:
    return column.sort_by("step", "category", descending=[True, False]).head(MAX_CATEGORIES)
