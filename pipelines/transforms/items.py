"""Features of items: how connectors and posts are doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from feature_repo.schemas import CONNECTOR_ID, CONNECTOR_STATS, EVENT_TIMESTAMP, POST_ID, POST_STATS
from pipelines.transforms.sweep import MOMENT, moments, windowed_counts
from pipelines.transforms.typed import as_view

CONNECTOR_WINDOWS: Final = {"7d": timedelta(days=7), "28d": timedelta(days=28), "total": None}
POST_WINDOWS: Final = {"1d": timedelta(days=1), "7d": timedelta(days=7), "total": None}
# A post that nobody touched for this long gets no more rows; a connector always does.
POST_HORIZON: Final = timedelta(days=35)

# Click-through starts at a prior worth this many views, so that one click of one view is not 100 %.
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
    """Say how every connector that exists at a moment is doing.

    Views, clicks, visits and joins are those of the connector itself; posts, likes and comments those within it.
    ``members`` are joins that nobody took back.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the whole history (totals and members need it).
        connectors: ``ITEM_SCHEMA``.
        at: the moments.

    Returns:
        View ``connector_stats``.
    """
    own = (pl.col("item_kind") == "connector") | pl.col("kind").is_in(["post", "like", "comment"])
    counted = _item_counts(
        events.filter(own).select("kind", "occurred_at", "retracted_at", item_id="connector_id"),
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
    """Say how every post is doing that exists at a moment and was made or touched within ``POST_HORIZON``.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA``, the whole history (totals need it).
        posts: ``ITEM_SCHEMA``.
        at: the moments.

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


def _item_counts(
    acts: pl.LazyFrame,
    *,
    items: pl.LazyFrame,
    windows: Mapping[str, timedelta | None],
    columns: Mapping[str, str],
    present_for: timedelta | None,
    at: Sequence[datetime],
) -> pl.LazyFrame:
    births = items.select(
        "item_id",
        pl.lit(_CREATED).alias("kind"),
        pl.col("created_at").alias("occurred_at"),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("retracted_at"),
    )
    counts = windowed_counts(
        pl.concat([acts, births], how="diagonal"),
        key="item_id",
        windows=windows,
        columns=columns,
        present_for=present_for,
        at=moments(at),
    )
    lives = items.select("item_id", "created_at", "deleted_at")
    return (
        counts.join(lives, on="item_id")
        .filter(
            pl.col("created_at") <= pl.col(MOMENT),
            pl.col("deleted_at").is_null() | (pl.col("deleted_at") > pl.col(MOMENT)),
        )
        .with_columns((pl.col(MOMENT) - pl.col("created_at")).alias("_age"))
        .rename({MOMENT: EVENT_TIMESTAMP})
    )


def _click_through() -> pl.Expr:
    clicks = pl.col("clicks_total") + PRIOR_VIEWS * PRIOR_CLICK_THROUGH
    return (clicks / (pl.col("views_total") + PRIOR_VIEWS)).clip(upper_bound=1.0).alias("click_through")
