"""Weight of each account in popularity, as the API counts people (``[standing]`` in ``ranking.toml``)."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from models.recommendation.data import STANDING
from neighborconnect.feed.policy import ranking_policy


def standing(users: pl.LazyFrame, *, at: datetime) -> pl.LazyFrame:
    """Return the weight of each user at ``at``: columns ``user_id`` and ``STANDING``.

    Accounts that are unverified or closed have none. Suspensions do not reach the lake, and count in the API alone.

    Args:
        users: lake table of changes.
        at: time with a time zone.
    """
    rules = ranking_policy().standing
    newest = users.group_by("id").agg(pl.col("verified", "is_active", "created_at").sort_by("_event_id").last())
    age_days = (pl.lit(at) - pl.col("created_at")).dt.total_microseconds() / 86_400e6
    grown = ((age_days - rules.new_days) / (rules.full_days - rules.new_days)).clip(0.0, 1.0)
    counts = pl.col("verified") & pl.col("is_active")
    weight = pl.when(counts).then(grown).otherwise(0.0).fill_null(0.0)
    return newest.select(user_id="id", **{STANDING: weight.cast(pl.Float32)})
