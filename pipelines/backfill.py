"""Which days of feature history a first run records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import polars as pl

from models.recommendation.data import TEST_SHARE
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.training_sets import collect_interactions

# A history up to this long is recorded whole; of a longer one the end, and the days that training asks for.
WHOLE_DAYS = 60
RECENT_DAYS = 14
# Training cuts the history once to judge and twice within what is before it to choose.
_CUTS = 3


def days_to_record(settings: Settings, *, today: date) -> list[tuple[date, date]]:
    """Return ranges of complete UTC days, first and last included, in order; empty where nothing happened before today.

    Whoever trains reads features as of the times at which the history is cut: the day before each is among them.
    """
    happened = {kind: collect_interactions(settings, kind=kind)["occurred_at"].sort() for kind in ItemKind}
    return ranges_for(list(happened.values()), today=today)


def ranges_for(happened: list[pl.Series], *, today: date) -> list[tuple[date, date]]:
    """Return what ``days_to_record`` promises for the sorted times of each training set."""
    known = [times for times in happened if len(times)]
    if not known:
        return []
    yesterday = today - timedelta(days=1)
    first = min(_day(times[0]) for times in known)
    last = min(max(_day(times[-1]) for times in known), yesterday)
    if last < first:
        return []
    if (last - first).days < WHOLE_DAYS:
        return [(first, last)]
    cuts = {_day(times[at]) - timedelta(days=1) for times in known for at in _cuts(len(times))}
    recent = {last - timedelta(days=n) for n in range(RECENT_DAYS)}
    return list(_joined(sorted(day for day in recent | cuts if first <= day <= last)))


def _cuts(count: int) -> Iterator[int]:
    for _ in range(_CUTS):
        count = int(count * (1 - TEST_SHARE))
        yield count


def _joined(days: list[date]) -> Iterator[tuple[date, date]]:
    start = previous = days[0]
    for day in days[1:]:
        if day - previous > timedelta(days=1):
            yield start, previous
            start = day
        previous = day
    yield start, previous


def _day(moment: datetime) -> date:
    return moment.date()
