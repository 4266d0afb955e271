"""Features of users: recent activity and affinity to categories."""

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
    SESSION_GAP,
    USER_ACTIVITY,
    USER_AFFINITY,
    USER_ID,
    USER_RECENT_ACTIVITY,
)
from pipelines.transforms.as_of_windows import (
    AS_OF,
    as_of_times,
    cumulative,
    event_deltas,
    window_end,
    windowed_counts,
)
from pipelines.transforms.view_schema import as_view

# Users have rows for this long after their last act that could count, so that zeros are written.
ACTIVITY_HORIZON: Final = max(ACTIVITY_WINDOWS.values()) + timedelta(days=7)
RECENT_HORIZON: Final = RECENT_WINDOW + timedelta(hours=2)
# After the horizon, an act weighs less than 1.2 % of a new one and is dropped.
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
}
ENGAGED_KINDS: Final = ("click", "visit", "like", "comment", "join", "reaction", "rsvp", "purchase", "review")


def user_activity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count the acts of each user in the windows before each as-of time.

    Point-in-time correct: an act counts at t if it occurred in ``(t - window, t]`` and was not retracted by t.

    Returns:
        View ``user_activity``: one row per as-of time and user with an act within ``ACTIVITY_HORIZON`` before it.
    """
    return as_view(
        windowed_counts(
            events,
            key=USER_ID,
            windows=ACTIVITY_WINDOWS,
            columns=COUNTED_KINDS,
            present_for=ACTIVITY_HORIZON,
            at=as_of_times(at),
        ).rename({AS_OF: EVENT_TIMESTAMP}),
        schema=USER_ACTIVITY,
    )


def user_recent_activity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Count the acts of each user in the hour before each as-of time, and list the items of these acts.

    The lists have at most ``MAX_RECENT_ITEMS`` distinct ids by descending time of the act, then by ascending id. The
    session is the acts of the hour since the last pause of at least ``SESSION_GAP``; it is empty after such a pause.

    Returns:
        View ``user_recent_activity``: one row per as-of time and user with an act within ``RECENT_HORIZON`` before it.
    """
    sorted_at = as_of_times(at)
    counts = windowed_counts(
        events,
        key=USER_ID,
        windows={"last_hour": RECENT_WINDOW},
        columns=COUNTED_KINDS,
        present_for=RECENT_HORIZON,
        at=sorted_at,
    )
    users = counts.select(USER_ID, AS_OF)
    counted = events.join(users, on=USER_ID).filter(
        pl.col("occurred_at") <= pl.col(AS_OF),
        pl.col("occurred_at") > pl.col(AS_OF) - RECENT_WINDOW,
        pl.col("retracted_at").is_null() | (pl.col("retracted_at") > pl.col(AS_OF)),
    )
    engaged = (
        counted.filter(pl.col("kind").is_in(ENGAGED_KINDS))
        .group_by(USER_ID, AS_OF, "item_kind", "item_id")
        .agg(pl.col("occurred_at").max())
        .group_by(USER_ID, AS_OF)
        .agg(_newest(item_kind).alias(name) for item_kind, name in _RECENT_LISTS.items())
    )
    lists = [pl.col(name).fill_null(pl.lit([], pl.List(pl.String))) for name in _RECENT_LISTS.values()]
    return as_view(
        counts.join(engaged, on=(USER_ID, AS_OF), how="left")
        .join(_sessions(counted), on=(USER_ID, AS_OF), how="left")
        .with_columns(*lists, pl.col("session_acts", "session_minutes").fill_null(0))
        .rename({AS_OF: EVENT_TIMESTAMP}),
        schema=USER_RECENT_ACTIVITY,
    )


_RECENT_LISTS: Final = {
    "post": "recent_post_ids",
    "connector": "recent_connector_ids",
    "event": "recent_event_ids",
    "item": "recent_item_ids",
}


def _sessions(acts: pl.LazyFrame) -> pl.LazyFrame:
    """Return the session of each user at each as-of time; none where the last act is ``SESSION_GAP`` ago."""
    time = pl.col("occurred_at").sort()
    begins = time.filter((time.diff() >= SESSION_GAP).fill_null(value=True)).last()
    return (
        acts.group_by(USER_ID, AS_OF)
        .agg(
            (time >= begins).sum().alias("session_acts"),
            ((time.last() - begins) / timedelta(minutes=1)).alias("session_minutes"),
            time.last().alias("_last"),
        )
        .filter(pl.col(AS_OF) - pl.col("_last") < SESSION_GAP)
        .drop("_last")
    )


def _newest(item_kind: str) -> pl.Expr:
    is_kind = pl.col("item_kind") == item_kind
    return (
        pl.col("item_id")
        .filter(is_kind)
        .sort_by(pl.col("occurred_at").filter(is_kind), pl.col("item_id").filter(is_kind), descending=[True, False])
        .head(MAX_RECENT_ITEMS)
    )


def user_affinity(events: pl.LazyFrame, *, at: Sequence[datetime]) -> pl.LazyFrame:
    """Compute the affinity of each user to categories at each as-of time.

    An act has the weight ``AFFINITY_WEIGHT`` of its kind, halved every ``AFFINITY_HALF_LIFE``, and none after
    ``AFFINITY_HORIZON`` or its retraction. Hides are excluded: serving reads the current ones (``hidden_items``), so
    that a hide takes effect at once and can be undone.

    Returns:
        View ``user_affinity``: ``categories`` (at most ``MAX_CATEGORIES``, by descending weight) and ``weights``, of
        equal length, positive, with sum one; both empty if no act has weight. ``evidence`` is the sum of the
        unnormalized weights of all categories. There is one row per as-of time and user with a weighted act within
        ``AFFINITY_HORIZON`` plus one half-life.
    """
    sorted_at = as_of_times(at)
    weighted = events.filter(pl.col("kind").is_in(list(AFFINITY_WEIGHT)))
    present = windowed_counts(
        weighted, key=USER_ID, windows={}, columns={}, present_for=AFFINITY_HORIZON + AFFINITY_HALF_LIFE, at=sorted_at
    )
    key = (USER_ID, "category")
    # At one as-of time, decay is a common factor of all acts, so growth from a fixed origin gives the same ratios.
    growth = pl.lit(2.0).pow(_half_lives(pl.col("occurred_at"), since=sorted_at[0]))
    weight = pl.col("kind").replace_strict(AFFINITY_WEIGHT, return_dtype=pl.Float64) * growth
    end = window_end(AFFINITY_HORIZON)
    with_category = weighted.filter(pl.col("category").is_not_null())
    deltas = pl.concat(
        [
            event_deltas(with_category, columns=key, end=end, value=weight, at=sorted_at).with_columns(
                _acts=pl.lit(0, pl.Int64)
            ),
            event_deltas(with_category, columns=key, end=end, value=pl.lit(1, pl.Int64), at=sorted_at)
            .rename({"delta": "_acts"})
            .with_columns(delta=pl.lit(0.0)),
        ],
        how="diagonal",
    )
    scores = (
        cumulative(
            deltas.group_by(*key, "index").agg(pl.col("delta").sum(), pl.col("_acts").sum()),
            key=key,
            values=("delta", "_acts"),
            at=sorted_at,
        )
        # Cumulative sums of floats leave rounding errors, so the number of acts determines whether there is a weight.
        .filter(pl.col("_acts") > 0, pl.col("delta") > 0)
        .group_by(USER_ID, AS_OF)
        .agg(
            _by_weight(pl.col("category")).alias("categories"),
            _by_weight(pl.col("delta")).alias("weights"),
            pl.col("delta").sum().alias("evidence"),
        )
        .with_columns(
            pl.col("weights") / pl.col("weights").list.sum(),
            pl.col("evidence") / pl.lit(2.0).pow(_half_lives(pl.col(AS_OF), since=sorted_at[0])),
        )
    )
    return as_view(
        present.join(scores, on=(USER_ID, AS_OF), how="left")
        .with_columns(
            pl.col("categories").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("weights").fill_null(pl.lit([], pl.List(pl.Float64))),
            pl.col("evidence").fill_null(0.0),
        )
        .rename({AS_OF: EVENT_TIMESTAMP}),
        schema=USER_AFFINITY,
    )


def _half_lives(column: pl.Expr, *, since: datetime) -> pl.Expr:
    return (column - since).dt.total_microseconds() / (AFFINITY_HALF_LIFE / timedelta(microseconds=1))


def _by_weight(column: pl.Expr) -> pl.Expr:
    return column.sort_by("delta", "category", descending=[True, False]).head(MAX_CATEGORIES)
