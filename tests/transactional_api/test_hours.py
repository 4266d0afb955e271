"""Quiet hours and daily letters, where clocks go forward and back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transactional_api.community.notifications.digest import due_hours
from transactional_api.community.notifications.quiet_hours import end_of_quiet, load_time_zone, utc_times
from transactional_api.community.notifications.schemas import DeliverySchedule

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"),
    *("Africa/Casablanca", "Asia/Tehran", "Pacific/Apia", "America/St_Johns", "Asia/Beirut", "Antarctica/Troll"),
)
# The hour after a change of clocks and the one before it, in Berlin, New York, Lord Howe, Havana and Casablanca.
CHANGES = (
    *("2027-03-28T01:00Z", "2027-10-31T01:00Z", "2027-03-14T07:00Z", "2027-11-07T06:00Z", "2027-04-03T15:00Z"),
    *("2027-10-02T15:30Z", "2027-03-14T05:00Z", "2027-11-07T05:00Z", "2027-02-07T02:00Z", "2011-12-30T10:00Z"),
)
NEAR_CHANGES = st.builds(
    lambda change, seconds: datetime.fromisoformat(change) + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-100_000, 100_000),
)
EVER = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (of the strategy)


def is_quiet(clock: time, begin: time, end: time) -> bool:
    return begin <= clock < end if begin < end else clock >= begin or clock < end


@given(begin=st.times(), end=st.times(), now=NEAR_CHANGES | EVER, zone=st.sampled_from(ZONES))
# A day was left out, and with it the end of the quiet hours: they go on until the next one.
@example(
    begin=time(0, 0, 1), end=time(0, 0, 0, 1), now=datetime(2011, 12, 30, 9, 59, 59, tzinfo=UTC), zone="Pacific/Apia"
)
def test_quiet_ends_after_now_and_it_is_not_quiet_then(begin: time, end: time, now: datetime, zone: str) -> None:
    quiet = SimpleNamespace(time_zone=zone, quiet_from=begin, quiet_until=end)
    ends = end_of_quiet(quiet, now=now)
    assert (ends is not None) == is_quiet(now.astimezone(ZoneInfo(zone)).time(), begin, end)
    if ends is not None:
        # A day, and what clocks are put back by; in Samoa a whole day was left out.
        assert timedelta(0) < ends - now <= timedelta(hours=49)
        assert begin == end or not is_quiet(ends.astimezone(ZoneInfo(zone)).time(), begin, end)


@pytest.mark.parametrize(
    ("now", "until", "ends"),
    [
        ("2027-10-31T00:15Z", time(2, 30), "2027-10-31T00:30Z"),  # 02:15 for the first time.
        ("2027-10-31T01:15Z", time(2, 30), "2027-10-31T01:30Z"),  # And for the second time.
        ("2027-03-28T00:15Z", time(2, 30), "2027-03-28T01:00Z"),  # 02:30 is left out: clocks go to 03:00 then.
        ("2027-03-27T22:00Z", time(7), "2027-03-28T05:00Z"),
        ("2027-10-30T21:00Z", time(7), "2027-10-31T06:00Z"),
    ],
)
def test_quiet_hours_of_berlin_end(now: str, until: time, ends: str) -> None:
    quiet = SimpleNamespace(time_zone="Europe/Berlin", quiet_from=time(22), quiet_until=until)
    assert end_of_quiet(quiet, now=datetime.fromisoformat(now)) == datetime.fromisoformat(ends)


def test_a_time_that_comes_twice_has_two_moments() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert len(utc_times(date(2027, 10, 31), time(2, 30), berlin)) == 2
    assert utc_times(date(2027, 3, 28), time(2, 30), berlin) == [datetime(2027, 3, 28, 1, tzinfo=UTC)]
    assert utc_times(date(2011, 12, 30), time(8), ZoneInfo("Pacific/Apia")) == [datetime(2011, 12, 30, 10, tzinfo=UTC)]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("change", CHANGES[:9])
def test_every_hour_has_its_letter_once_a_local_day(zone: str, change: str) -> None:
    written: Counter[tuple[date, int]] = Counter()
    had: dict[int, datetime] = {}
    middle = datetime.fromisoformat(change)
    for step in range(-40, 41):
        now = middle.replace(minute=3) + timedelta(hours=step)
        for due in due_hours(zone, now=now):
            last = had.get(due.hour)
            if due.is_current_hour if last is None else last < due.day_started_at:
                had[due.hour] = now
                written[now.astimezone(ZoneInfo(zone)).date(), due.hour] += 1
    days = sorted({day for day, _ in written})[1:-1]
    assert len(days) >= 2
    assert {(day, hour): written[day, hour] for day in days for hour in range(24)} == {
        (day, hour): 1 for day in days for hour in range(24)
    }


def test_late_run_returns_the_missed_hours_of_the_morning() -> None:
    due = {one.hour: one for one in due_hours("Europe/Berlin", now=datetime(2027, 6, 1, 10, 3, tzinfo=UTC))}
    assert sorted(due) == [7, 8, 9, 10, 11, 12]
    assert [hour for hour, one in due.items() if one.is_current_hour] == [12]


@pytest.mark.parametrize("name", ["localtime", "Factory", "posix/Europe/Berlin", "right/UTC", "posixrules"])
def test_what_is_no_zone_of_a_place_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        DeliverySchedule(time_zone=name)


def test_a_zone_that_this_machine_does_not_know_any_more_is_utc() -> None:
    assert load_time_zone("Nowhere/Atlantis").key == "UTC"
    assert load_time_zone("../../etc/passwd").key == "UTC"
    assert all(due_hours(name, now=datetime(2027, 10, 31, 1, tzinfo=UTC)) is not None for name in available_timezones())
