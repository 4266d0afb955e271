"""Features of items: statistics of connectors and posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import (
    CONNECTOR_ID,
    CONNECTOR_STATS,
    EVENT_ID,
    EVENT_KINDS,
    EVENT_STATS,
    EVENT_TIMESTAMP,
    MARKETPLACE_ITEM_ID,
    MARKETPLACE_ITEM_KINDS,
    MARKETPLACE_ITEM_STATS,
    POST_ID,
    POST_STATS,
    ViewSchema,
)
from pipelines.ingest.schema import UTC_MICROSECONDS
from pipelines.transforms.as_of_windows import AS_OF, as_of_times, windowed_counts
from pipelines.transforms.view_schema import as_view

CONNECTOR_WINDOWS: Final = {"7d": timedelta(days=7), "28d": timedelta(days=28), "total": None}
POST_WINDOWS: Final = {"1d": timedelta(days=1), "7d": timedelta(days=7), "total": None}
POST_HORIZON: Final = timedelta(days=35)
"""A post without acts for this long has no more rows; connectors always have rows."""

# Click-through rates are smoothed by a prior worth this many views, so that one click of one view is not 100 %.
PRIOR_VIEWS: Final = 20.0
PRIOR_CLICK_THROUGH: Final = 0.05

_CREATED: Final = "created"
_CONNECTOR_COLUMNS: Final = {
    "impression": "views",
    "click": "clicks",
    "visit": "visits",
    "join": "joins",
    "post": "posts",
    "like": "likes",
    "comment": "comments",
}
_POST_COLUMNS: Final = {"impression": "views", "click": "clicks", "like": "likes", "comment": "comments"}


def connector_stats(events: pl.LazyFrame, *, connectors: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Compute the statistics of every connector that exists at an as-of time.

    Views, clicks, visits and joins are of the connector itself; posts, likes and comments are within the connector.
    ``members`` counts the joins that were not retracted.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the complete history, which totals and members require.
        connectors: ``ITEM_SCHEMA``.
        at: the as-of times.

    Returns:
        View ``connector_stats``.
    """
    of_connector = (pl.col("item_kind") == "connector") | pl.col("kind").is_in(["post", "like", "comment"])
    counted = _item_counts(
        events.filter(of_connector).select("kind", "occurred_at", "retracted_at", item_id="connector_id"),
        items=connectors,
        windows=CONNECTOR_WINDOWS,
        columns=_CONNECTOR_COLUMNS,
        present_for=None,
        at=at,
    )
    return as_view(
        counted.with_columns(
            pl.col("joins_total").alias("members"),
            _click_through(),
            (pl.col("_age") / timedelta(days=1)).alias("age_days"),
        ).rename({"item_id": CONNECTOR_ID}),
        schema=CONNECTOR_STATS,
    )


def post_stats(events: pl.LazyFrame, *, posts: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Compute the statistics of every post that exists at an as-of time and had an act within ``POST_HORIZON``.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the complete history, which totals require.
        posts: ``ITEM_SCHEMA``.
        at: the as-of times.

    Returns:
        View ``post_stats``.
    """
    counted = _item_counts(
        events.filter(pl.col("item_kind") == "post").select("kind", "occurred_at", "retracted_at", "item_id"),
        items=posts,
        windows=POST_WINDOWS,
        columns=_POST_COLUMNS,
        present_for=POST_HORIZON,
        at=at,
    )
    return as_view(
        counted.with_columns(_click_through(), (pl.col("_age") / timedelta(hours=1)).alias("age_hours")).rename(
            {"item_id": POST_ID}
        ),
        schema=POST_STATS,
    )


def event_stats(acts: pl.LazyFrame, *, events: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Compute the statistics of every event that exists at an as-of time and had an act within ``POST_HORIZON``.

    Args:
        acts: ``ACTIVITY_EVENT_SCHEMA``, the complete history, which totals require.
        events: ``ITEM_SCHEMA``.
        at: the as-of times.

    Returns:
        View ``event_stats``.
    """
    of_events = acts.filter(pl.col("item_kind") == "event")
    return _listed_stats(of_events, items=events, key=EVENT_ID, columns=EVENT_KINDS, schema=EVENT_STATS, at=at)


def marketplace_item_stats(acts: pl.LazyFrame, *, items: pl.LazyFrame, at: Sequence[datetime]) -> pl.LazyFrame:
    """Compute the statistics of every item for sale, as ``event_stats`` does for events."""
    return _listed_stats(
        acts.filter(pl.col("item_kind") == "item"),
        items=items,
        key=MARKETPLACE_ITEM_ID,
        columns=MARKETPLACE_ITEM_KINDS,
        schema=MARKETPLACE_ITEM_STATS,
        at=at,
    )


def _listed_stats(
    acts: pl.LazyFrame,
    *,
    items: pl.LazyFrame,
    key: str,
    columns: Mapping[str, str],
    schema: ViewSchema,
    at: Sequence[datetime],
) -> pl.LazyFrame:
    counted = _item_counts(
        acts.select("kind", "occurred_at", "retracted_at", "item_id"),
        items=items,
        windows=POST_WINDOWS,
        columns=columns,
        present_for=POST_HORIZON,
        at=at,
    )
    age = (pl.col("_age") / timedelta(hours=1)).alias("age_hours")
    return as_view(counted.with_columns(age).rename({"item_id": key}), schema=schema)


def _item_counts(
    acts: pl.LazyFrame,
    *,
    items: pl.LazyFrame,
    windows: Mapping[str, timedelta | None],
    columns: Mapping[str, str],
    present_for: timedelta | None,
    at: Sequence[datetime],
) -> pl.LazyFrame:
    creations = items.select(
        "item_id",
        pl.lit(_CREATED).alias("kind"),
        pl.col("created_at").alias("occurred_at"),
        pl.lit(None, dtype=UTC_MICROSECONDS).alias("retracted_at"),
    )
    counts = windowed_counts(
        pl.concat([acts, creations], how="diagonal"),
        key="item_id",
        windows=windows,
        columns=columns,
        present_for=present_for,
        at=as_of_times(at),
    )
    lifetimes = items.select("item_id", "created_at", "deleted_at")
    return (
        counts.join(lifetimes, on="item_id")
        .filter(
            pl.col("created_at") <= pl.col(AS_OF),
            pl.col("deleted_at").is_null() | (pl.col("deleted_at") > pl.col(AS_OF)),
        )
        .with_columns((pl.col(AS_OF) - pl.col("created_at")).alias("_age"))
        .rename({AS_OF: EVENT_TIMESTAMP})
        .drop("created_at", "deleted_at")
    )


def _click_through() -> pl.Expr:
    clicks = pl.col("clicks_total") + PRIOR_VIEWS * PRIOR_CLICK_THROUGH
    return (clicks / (pl.col("views_total") + PRIOR_VIEWS)).clip(upper_bound=1.0).alias("click_through")
