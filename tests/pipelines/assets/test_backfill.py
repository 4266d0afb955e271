from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipelines.backfill import RECENT_DAYS, ranges_for

TODAY = date(2026, 11, 22)


def acts(*, days: int, last: date, a_day: int = 1) -> pl.Series:
    end = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    return pl.Series([end - timedelta(days=n) for n in reversed(range(days)) for _ in range(a_day)])


def test_a_short_history_is_recorded_whole_up_to_yesterday() -> None:
    assert ranges_for([acts(days=28, last=TODAY), pl.Series([], dtype=pl.Datetime)], today=TODAY) == [
        (date(2026, 10, 26), date(2026, 11, 21))
    ]


def test_a_long_history_is_recorded_at_its_end_and_before_each_cut_of_the_training() -> None:
    last = date(2013, 2, 15)

    ranges = ranges_for([acts(days=300, last=last)], today=TODAY)

    # 300 days are cut at 0.8, 0.64 and 0.512 of them; the day before each is known.
    first = last - timedelta(days=299)
    before_cuts = [first + timedelta(days=n - 1) for n in (153, 192, 240)]
    assert ranges == [*((day, day) for day in before_cuts), (last - timedelta(days=RECENT_DAYS - 1), last)]


def test_a_town_that_began_today_has_no_complete_day() -> None:
    assert ranges_for([acts(days=1, last=TODAY)], today=TODAY) == []
