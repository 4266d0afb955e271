"""Resets of personalization: acts before the last one are not learnt from."""

from __future__ import annotations

import polars as pl

RESET_AT = "personalization_reset_at"


def resets(users: pl.LazyFrame) -> pl.LazyFrame:
    """Return the users who reset personalization: columns ``user_id`` and ``RESET_AT``, the time of the last reset.

    Args:
        users: lake table of changes.
    """
    newest = users.group_by("id").agg(pl.col(RESET_AT).sort_by("_event_id").last())
    return newest.filter(pl.col(RESET_AT).is_not_null()).select(RESET_AT, user_id="id")


def since_resets(acts: pl.LazyFrame, resets: pl.LazyFrame) -> pl.LazyFrame:
    """Return the acts after the last reset of their user: rows with ``user_id`` and ``occurred_at``."""
    counted = pl.col(RESET_AT).is_null() | (pl.col("occurred_at") > pl.col(RESET_AT))
    return acts.join(resets, on="user_id", how="left").filter(counted).drop(RESET_AT)
