"""Days of feature history that the first run computes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from models.recommendation.data import TEST_SHARE
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.training.interactions import collect_interactions

MAX_COMPLETE_DAYS = 60
"""A history up to this long is computed completely; of a longer one, the end and the days that training requires."""
RECENT_DAYS = 14
# Training splits the history once for evaluation, and the rest twice for model selection.
_SPLITS = 3


def read_history_ranges(settings: Settings, *, today: date) -> list[tuple[date, date]]:
    """Return ranges of complete UTC days, inclusive, in ascending order; empty without interactions before ``today``.

    Training reads features as of the times at which it splits the history, so the ranges include the day before each.
    """
    times = [collect_interactions(settings, kind=kind)["occurred_at"].sort() for kind in ItemKind]
    return history_ranges(times, today=today)


def history_ranges(times: list[pl.Series], *, today: date) -> list[tuple[date, date]]:
    """Return the ranges of ``read_history_ranges`` for the sorted times of each training set."""
    non_empty = [series for series in times if len(series)]
    if not non_empty:
        return []
    yesterday = today - timedelta(days=1)
    first = min(series[0].date() for series in non_empty)
    last = min(max(series[-1].date() for series in non_empty), yesterday)
    if last < first:
        return []
    if (last - first).days < MAX_COMPLETE_DAYS:
        return [(first, last)]
    splits = {series[index].date() - timedelta(days=1) for series in non_empty for index in _split_indexes(len(series))}
    recent = {last - timedelta(days=n) for n in range(RECENT_DAYS)}
    return list(_merge_days(sorted(day for day in recent | splits if first <= day <= last)))


def _split_indexes(count: int) -> Iterator[int]:
    for _ in range(_SPLITS):
        count = int(count * (1 - TEST_SHARE))
        yield count


def _merge_days(days: list[date]) -> Iterator[tuple[date, date]]:
    start = previous = days[0]
    for day in days[1:]:
        if day - previous > timedelta(days=1):
            yield start, previous
            start = day
        previous = day
    yield start, previous
