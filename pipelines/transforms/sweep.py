"""Count what is active at many moments in one sweep.

An act is active from when it occurred until its window has passed or it was retracted. Instead of asking of each
moment which acts it sees (acts times moments), each act adds one at the first moment that sees it and takes one
away at the first that no longer does; a running sum gives the rest. Memory grows with acts and answers, not with
their product, and the answer is exact for any moments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.transforms.events import UTC_MICROSECONDS

MOMENT = "moment"


def moments(at: Sequence[datetime]) -> pl.Series:
    """Return the moments sorted, distinct and in UTC.

    Raises:
        ValueError: when there is none, or one has no time zone.
    """
    if not at:
        raise ValueError("at least one moment is needed")
    if any(moment.tzinfo is None for moment in at):
        raise ValueError("moments need a time zone")
    return pl.Series(MOMENT, [moment.astimezone(UTC) for moment in at], dtype=UTC_MICROSECONDS).unique().sort()


def first_seen_by(time: pl.Expr, *, at: pl.Series) -> pl.Expr:
    """Return the index of the first moment that is not before ``time``; ``len(at)`` where there is none, null of null.

    ``search_sorted`` alone would place a null first.
    """
    index = time.map_batches(
        lambda times: at.search_sorted(times, side="left").cast(pl.Int32), return_dtype=pl.Int32, is_elementwise=True
    )
    return pl.when(time.is_not_null()).then(index)


def window_end(window: timedelta | None) -> pl.Expr:
    """Return when an act stops counting: its window's end or its retraction, whichever is first; null for never."""
    retracted = pl.col("retracted_at")
    return retracted if window is None else pl.min_horizontal(pl.col("occurred_at") + window, retracted)


def steps(events: pl.LazyFrame, *, keep: Sequence[str], end: pl.Expr, value: pl.Expr, at: pl.Series) -> pl.LazyFrame:
    """Turn acts into steps: columns ``keep``, ``index`` of a moment, and ``step`` (``value`` or its negative)."""
    never = len(at)
    spans = events.select(
        *keep,
        first_seen_by(pl.col("occurred_at"), at=at).alias("_up"),
        first_seen_by(end, at=at).fill_null(never).alias("_down"),
        value.alias("_value"),
    ).filter(pl.col("_up") < pl.col("_down"))
    up = spans.select(*keep, pl.col("_up").alias("index"), pl.col("_value").alias("step"))
    down = spans.filter(pl.col("_down") < never).select(
        *keep, pl.col("_down").alias("index"), (-pl.col("_value")).alias("step")
    )
    return pl.concat([up, down])


def running(stepped: pl.LazyFrame, *, key: Sequence[str], values: Sequence[str], at: pl.Series) -> pl.LazyFrame:
    """Sum steps over the moments, for every ``key``, from its first step to the last moment.

    ``stepped`` has one row a key and ``index``. Returns the keys, ``MOMENT`` and the sums: also where they are 0.
    """
    until = pl.col("index").shift(-1).over(key, order_by="index").fill_null(len(at))
    return (
        stepped.sort(*key, "index")
        .with_columns(*(pl.col(value).cum_sum().over(key) for value in values), until.alias("_until"))
        .with_columns(pl.int_ranges("index", "_until").alias("index"))
        .explode("index", empty_as_null=False)
        .with_columns(
            pl.col("index").map_batches(at.gather, return_dtype=UTC_MICROSECONDS, is_elementwise=True).alias(MOMENT)
        )
        .select(*key, MOMENT, *values)
    )


def windowed_counts(
    events: pl.LazyFrame,
    *,
    key: str,
    windows: Mapping[str, timedelta | None],
    columns: Mapping[str, str],
    present_for: timedelta | None,
    at: pl.Series,
) -> pl.LazyFrame:
    """Count acts by kind and window at every moment.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` or wider; acts after a moment or retracted by it do not count at it.
        key: column of the entity; rows without one are left out.
        windows: suffix to length; an act counts at t where it occurred in ``(t - length, t]``; None counts for ever.
        columns: kind to the prefix of its columns ``<prefix>_<suffix>``.
        present_for: an entity has a row at t where it acted, retracted or not, in ``(t - present_for, t]``; so
            counts that have fallen to zero are said. None for ever.
        at: the moments.

    Returns:
        ``key``, ``MOMENT`` and one Int64 column a kind and window.
    """
    known = events.filter(pl.col(key).is_not_null())
    counted = known.filter(pl.col("kind").is_in(list(columns)))
    one = pl.lit(1, dtype=pl.Int64)
    by_window = [
        steps(counted, keep=(key, "kind"), end=window_end(window), value=one, at=at)
        .group_by(key, "kind", "index")
        .agg(pl.col("step").sum())
        .with_columns(pl.lit(suffix).alias("_window"))
        for suffix, window in windows.items()
    ]
    presence_end = pl.lit(None, UTC_MICROSECONDS) if present_for is None else pl.col("occurred_at") + present_for
    presence = (
        steps(known, keep=(key,), end=presence_end, value=one, at=at)
        .group_by(key, "index")
        .agg(pl.col("step").sum())
        .select(key, pl.lit("").alias("kind"), "index", "step", pl.lit("").alias("_window"))
    )
    names = {
        f"{prefix}_{suffix}": (pl.col("kind") == kind) & (pl.col("_window") == suffix)
        for kind, prefix in columns.items()
        for suffix in windows
    }
    wide = (
        pl.concat([*by_window, presence], how="diagonal")
        .group_by(key, "index")
        .agg(
            *(pl.col("step").filter(chosen).sum().alias(name) for name, chosen in names.items()),
            pl.col("step").filter(pl.col("_window") == "").sum().alias("_present"),
        )
    )
    return (
        running(wide, key=(key,), values=(*names, "_present"), at=at)
        .filter(pl.col("_present") > 0)
        .select(key, MOMENT, *names)
    )
