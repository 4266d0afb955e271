"""End of an event of a connector: one rule for the API, its SQL and offline ranking."""

from __future__ import annotations

from datetime import datetime, timedelta

DEFAULT_DURATION = timedelta(hours=3)
"""Duration of an event without an end."""


def is_over(start: datetime, end: datetime | None, *, at: datetime) -> bool:
    """Return whether an event has ended at a time; until then it is listed and accepts responses."""
    return (end if end is not None else start + DEFAULT_DURATION) <= at
