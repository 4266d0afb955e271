"""Ranges of feature history that the first run computes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipelines.bootstrap.history_ranges import RECENT_DAYS, history_ranges

TODAY = date(2026, 11, 22)


def interaction_times(*, days: int, last: date) -> pl.Series:
    """One interaction at noon of each day."""
    end = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    return pl.Series([end - timedelta(days=n) for n in reversed(range(days))])


class TestHistoryRanges:
    def test_short_history_is_complete_up_to_yesterday(self) -> None:
        empty = pl.Series([], dtype=pl.Datetime)

        ranges = history_ranges([interaction_times(days=28, last=TODAY), empty], today=TODAY)

        assert ranges == [(date(2026, 10, 26), date(2026, 11, 21))]

    def test_long_history_has_its_end_and_the_days_before_splits(self) -> None:
        last = date(2013, 2, 15)

        ranges = history_ranges([interaction_times(days=300, last=last)], today=TODAY)

        # Training splits 300 days at 0.8, 0.64 and 0.512 of them.
        first = last - timedelta(days=299)
        before_splits = [first + timedelta(days=n - 1) for n in (153, 192, 240)]
        assert ranges == [*((day, day) for day in before_splits), (last - timedelta(days=RECENT_DAYS - 1), last)]

    def test_history_that_begins_today_has_no_complete_day(self) -> None:
        assert history_ranges([interaction_times(days=1, last=TODAY)], today=TODAY) == []
