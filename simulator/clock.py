"""When people are awake: a day's rhythm in local time, laid over any window of twenty-four hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.arrays import Floats, draw_weighted
from simulator.people import TIME_ZONE
from simulator.spec import DAY_SECONDS

_HOUR = 3600
_WEEKDAY = np.array([2, 1, 0.5, 0.5, 0.5, 1, 3, 6, 7, 5, 4, 4, 6, 5, 4, 4, 5, 7, 9, 11, 12, 11, 8, 4], dtype=float)
_WEEKEND = np.array([4, 2, 1, 0.5, 0.5, 0.5, 1, 3, 6, 9, 10, 10, 9, 8, 8, 8, 8, 8, 8, 9, 10, 10, 8, 6], dtype=float)
_SATURDAY = 5


def seconds_of_day(rng: np.random.Generator, begins: datetime, *, count: int) -> Floats:
    """Draw moments within the 24 hours after ``begins``, in seconds after it, unsorted."""
    local = begins.astimezone(ZoneInfo(TIME_ZONE))
    rhythm = _WEEKEND if (local + timedelta(hours=12)).weekday() >= _SATURDAY else _WEEKDAY
    clock = (draw_weighted(rng, rhythm, count) + rng.random(count)) * _HOUR
    begins_at = (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    result: Floats = (clock - begins_at) % DAY_SECONDS
    return result
