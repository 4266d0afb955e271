"""Times of acts: the activity of a day by hour of local time."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.arrays import Floats, draw_weighted
from simulator.people import TIME_ZONE
from simulator.spec import DAY_SECONDS

_HOUR = 3600
# Relative activity by hour of local time, from midnight.
_WEEKDAY_RHYTHM = np.array(
    [2, 1, 0.5, 0.5, 0.5, 1, 3, 6, 7, 5, 4, 4, 6, 5, 4, 4, 5, 7, 9, 11, 12, 11, 8, 4], dtype=float
)
_WEEKEND_RHYTHM = np.array(
    [4, 2, 1, 0.5, 0.5, 0.5, 1, 3, 6, 9, 10, 10, 9, 8, 8, 8, 8, 8, 8, 9, 10, 10, 8, 6], dtype=float
)
_SATURDAY = 5


def seconds_of_day(rng: np.random.Generator, start: datetime, *, count: int) -> Floats:
    """Draw times within the 24 hours after ``start`` by a diurnal rhythm, in seconds after it, unsorted."""
    local = start.astimezone(ZoneInfo(TIME_ZONE))
    rhythm = _WEEKEND_RHYTHM if (local + timedelta(hours=12)).weekday() >= _SATURDAY else _WEEKDAY_RHYTHM
    clock = (draw_weighted(rng, rhythm, count) + rng.random(count)) * _HOUR
    offset = (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    result: Floats = (clock - offset) % DAY_SECONDS
    return result
