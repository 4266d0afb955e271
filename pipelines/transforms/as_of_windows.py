"""Windowed counts as of many times in one pass (sweep line over event deltas).

An act is active from its time until its window has passed or it was retracted. Instead of joining acts with as-of
times, each act adds a delta of +1 at the first as-of time at which it is active and -1 at the first at which it no
longer is; the cumulative sum of the deltas is the count. Memory grows with the number of acts plus the number of
results, not with their product, and the result is exact for any set of times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.ingest.schema import UTC_MICROSECONDS

AS_OF = "as_of"
"""Column of the as-of time, UTC, in microseconds."""


def as_of_times(at: Sequence[datetime]) -> pl.Series:
    """Return the distinct as-of times in UTC, sorted.

    Raises:
        ValueError: if there is none, or one has no time zone.
    """
    if not at:
        raise ValueError("at least one as-of time is required")
    if any(time.tzinfo is None for time in at):
        raise ValueError("as-of times require a time zone")
    return pl.Series(AS_OF, [time.astimezone(UTC) for time in at], dtype=UTC_MICROSECONDS).unique().sort()


def first_index_from(time: pl.Expr, *, at: pl.Series) -> pl.Expr:
    """Return the index of the first as-of time not before ``time``: ``len(at)`` if there is none, null for null.

    ``search_sorted`` alone would return 0 for null.
    """
    index = time.map_batches(
        lambda times: at.search_sorted(times, side="left").cast(pl.Int32), return_dtype=pl.Int32, is_elementwise=True
    )
    return pl.when(time.is_not_null()).then(index)


def window_end(window: timedelta | None) -> pl.Expr:
    """Return the time at which an act stops counting: the end of its window or its retraction; null for never."""
    retracted = pl.col("retracted_at")
    return retracted if window is None else pl.min_horizontal(pl.col("occurred_at") + window, retracted)


def event_deltas(
    events: pl.LazyFrame, *, columns: Sequence[str], end: pl.Expr, value: pl.Expr, at: pl.Series
) -> pl.LazyFrame:
    """Convert acts to deltas.

    Args:
        events: acts with ``occurred_at`` and the columns of ``end`` and ``value``.
        columns: columns of the acts to retain.
        end: time at which an act stops counting; null for never.
        value: value that an act adds while it counts.
        at: the as-of times, sorted.

    Returns:
        ``columns``, ``index`` of the as-of time, and ``delta``: ``value`` or its negative.
    """
    never = len(at)
    spans = events.select(
        *columns,
        first_index_from(pl.col("occurred_at"), at=at).alias("_start"),
        first_index_from(end, at=at).fill_null(never).alias("_end"),
        value.alias("_value"),
    ).filter(pl.col("_start") < pl.col("_end"))
    added = spans.select(*columns, pl.col("_start").alias("index"), pl.col("_value").alias("delta"))
    removed = spans.filter(pl.col("_end") < never).select(
        *columns, pl.col("_end").alias("index"), (-pl.col("_value")).alias("delta")
    )
    return pl.concat([added, removed])


def cumulative(deltas: pl.LazyFrame, *, key: Sequence[str], values: Sequence[str], at: pl.Series) -> pl.LazyFrame:
    """Return the cumulative sums of deltas by ``key``, at every as-of time from the first delta of the key.

    Args:
        deltas: at most one row per key and ``index``.
        key: columns of the key.
        values: columns to sum.
        at: the as-of times, sorted.

    Returns:
        The key, ``AS_OF`` and the sums, including zeros.
    """
    until = pl.col("index").shift(-1).over(key, order_by="index").fill_null(len(at))
    return (
        deltas.sort(*key, "index")
        .with_columns(*(pl.col(value).cum_sum().over(key) for value in values), until.alias("_until"))
        .with_columns(pl.int_ranges("index", "_until").alias("index"))
        .explode("index", empty_as_null=False)
        .with_columns(
            pl.col("index").map_batches(at.gather, return_dtype=UTC_MICROSECONDS, is_elementwise=True).alias(AS_OF)
        )
        .select(*key, AS_OF, *values)
    )


def windowed_counts(
    events: pl.LazyFrame,
    *,
    key: str | Sequence[str],
    windows: Mapping[str, timedelta | None],
    columns: Mapping[str, str],
    present_for: timedelta | None,
    at: pl.Series,
) -> pl.LazyFrame:
    """Count acts by kind and window as of every time.

    Args:
        events: ``ACTIVITY_EVENT_SCHEMA`` or wider; acts after an as-of time, or retracted by then, do not count.
        key: column or columns of the entity; rows with null are skipped.
        windows: length by suffix; an act counts at t if it occurred in ``(t - length, t]``; None is unlimited.
        columns: prefix of the columns ``<prefix>_<suffix>``, by kind of act.
        present_for: an entity has a row at t if it acted in ``(t - present_for, t]``, retracted or not, so that counts
            that have fallen to zero are returned. None is unlimited.
        at: the as-of times, sorted.

    Returns:
        ``key``, ``AS_OF`` and one Int64 column per kind and window.
    """
    keys = (key,) if isinstance(key, str) else tuple(key)
    acts = events.filter(pl.col(name).is_not_null() for name in keys)
    counted = acts.filter(pl.col("kind").is_in(list(columns)))
    one = pl.lit(1, dtype=pl.Int64)
    by_window = [
        event_deltas(counted, columns=(*keys, "kind"), end=window_end(window), value=one, at=at)
        .group_by(*keys, "kind", "index")
        .agg(pl.col("delta").sum())
        .with_columns(pl.lit(suffix).alias("_window"))
        for suffix, window in windows.items()
    ]
    presence_end = pl.lit(None, UTC_MICROSECONDS) if present_for is None else pl.col("occurred_at") + present_for
    presence = (
        event_deltas(acts, columns=keys, end=presence_end, value=one, at=at)
        .group_by(*keys, "index")
        .agg(pl.col("delta").sum())
        .select(*keys, pl.lit("").alias("kind"), "index", "delta", pl.lit("").alias("_window"))
    )
    names = {
        f"{prefix}_{suffix}": (pl.col("kind") == kind) & (pl.col("_window") == suffix)
        for kind, prefix in columns.items()
        for suffix in windows
    }
    wide = (
        pl.concat([*by_window, presence], how="diagonal")
        .group_by(*keys, "index")
        .agg(
            *(pl.col("delta").filter(condition).sum().alias(name) for name, condition in names.items()),
            pl.col("delta").filter(pl.col("_window") == "").sum().alias("_present"),
        )
    )
    return (
        cumulative(wide, key=keys, values=(*names, "_present"), at=at)
        .filter(pl.col("_present") > 0)
        .select(*keys, AS_OF, *names)
    )
