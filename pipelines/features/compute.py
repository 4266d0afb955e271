"""Compute feature views from the lake into the offline store.

A day's partition has one row an entity, as of the day's end (as of now for today). The hourly run adds a row as of
its own time and keeps one an hour; once the day's partition is computed it stands in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from feature_repo.schemas import VIEW_SCHEMAS
from neighborconnect.contracts import features as names
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.features.history import replace_rows
from pipelines.features.lake import read_activity, read_connectors, read_posts, read_refusals
from pipelines.transforms.items import connector_stats, post_stats
from pipelines.transforms.users import (
    ACTIVITY_HORIZON,
    AFFINITY_HALF_LIFE,
    AFFINITY_HORIZON,
    RECENT_HORIZON,
    user_activity,
    user_affinity,
    user_recent_activity,
)

# Views with a row a day. The last hour at midnight says nothing: that view has hourly rows only.
DAILY_VIEWS = (names.USER_ACTIVITY, names.USER_AFFINITY, names.CONNECTOR_STATS, names.POST_STATS)
LATEST_VIEWS = (*DAILY_VIEWS, names.USER_RECENT_ACTIVITY)
# The lake is read once for a chunk of days, whose answers are held in memory: a week of them to see how many rows a day
# has, and then as many days as stay below this number, four times as many as before at most.
_FIRST_CHUNK_DAYS, _ROWS_A_CHUNK = 7, 500_000

_log = get_logger(__name__)


def compute_user_activity(settings: Settings, *, day: date) -> int:
    """Compute the day's rows of ``user_activity``; return how many."""
    return compute_days(settings, view=names.USER_ACTIVITY, first=day, last=day)


def compute_user_affinity(settings: Settings, *, day: date) -> int:
    """Compute the day's rows of ``user_affinity``; return how many."""
    return compute_days(settings, view=names.USER_AFFINITY, first=day, last=day)


def compute_connector_stats(settings: Settings, *, day: date) -> int:
    """Compute the day's rows of ``connector_stats``; return how many."""
    return compute_days(settings, view=names.CONNECTOR_STATS, first=day, last=day)


def compute_post_stats(settings: Settings, *, day: date) -> int:
    """Compute the day's rows of ``post_stats``; return how many."""
    return compute_days(settings, view=names.POST_STATS, first=day, last=day)


def compute_days(settings: Settings, *, view: str, first: date, last: date) -> int:
    """Compute the rows of ``view`` for the UTC days from ``first`` to ``last``, both included; return how many.

    Days after today have no rows. Repeating it replaces the rows. The offline tables must exist
    (``feature_repo.store.apply``).

    Raises:
        EmptyInputError: when a day that had rows would have none; its rows stay.
    """
    now = datetime.now(UTC)
    days = [first + timedelta(days=n) for n in range((min(last, now.date()) - first).days + 1)]
    total, size = 0, _FIRST_CHUNK_DAYS
    while days:
        chunk, days = days[:size], days[size:]
        rows = _compute(settings, view=view, at=[min(_day_start(day) + timedelta(days=1), now) for day in chunk])
        written = replace_rows(
            settings,
            rows,
            schema=VIEW_SCHEMAS[view],
            after=_day_start(chunk[0]),
            until=_day_start(chunk[-1]) + timedelta(days=1),
        )
        total += written
        size = max(1, min(4 * size, _ROWS_A_CHUNK * len(chunk) // max(written, 1)))
    _log.info("features.computed", view=view, first=str(first), last=str(last), rows=total)
    return total


def compute_latest(settings: Settings, *, at: datetime, views: Sequence[str] = LATEST_VIEWS) -> dict[str, int]:
    """Compute every view as of ``at`` (aware), in place of earlier rows of the same hour; return rows a view.

    Raises:
        EmptyInputError: when the lake has nothing any more for a view that had rows in that hour.
    """
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    # A row at midnight is the end of the day before, and belongs to that day's partition.
    is_after_midnight = hour.hour == 0 and at > hour
    written = {
        view: replace_rows(
            settings,
            _compute(settings, view=view, at=[at]),
            schema=VIEW_SCHEMAS[view],
            after=hour if is_after_midnight else hour - timedelta(microseconds=1),
            until=hour + timedelta(hours=1) - timedelta(microseconds=1),
            # A quiet hour has no rows of it; a lake without any act is another matter.
            may_be_empty=view == names.USER_RECENT_ACTIVITY and _has_activity(settings),
        )
        for view in views
    }
    _log.info("features.computed_latest", at=at.isoformat(), **written)
    return written


def _has_activity(settings: Settings) -> bool:
    return not read_activity(settings).head(1).collect(engine="streaming").is_empty()


def _day_start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _consented(settings: Settings, *, since: datetime) -> pl.LazyFrame:
    """Read the acts of people who do not refuse personalization."""
    return read_activity(settings, since=since).join(read_refusals(settings), on="user_id", how="anti")


def _compute(settings: Settings, *, view: str, at: Sequence[datetime]) -> pl.DataFrame:
    oldest = min(at)
    if view == names.USER_ACTIVITY:
        rows = user_activity(_consented(settings, since=oldest - ACTIVITY_HORIZON), at=at)
    elif view == names.USER_RECENT_ACTIVITY:
        rows = user_recent_activity(_consented(settings, since=oldest - RECENT_HORIZON), at=at)
    elif view == names.USER_AFFINITY:
        since = oldest - AFFINITY_HORIZON - AFFINITY_HALF_LIFE
        rows = user_affinity(_consented(settings, since=since), at=at)
    elif view == names.CONNECTOR_STATS:
        rows = connector_stats(read_activity(settings), connectors=read_connectors(settings), at=at)
    elif view == names.POST_STATS:
        rows = post_stats(read_activity(settings), posts=read_posts(settings), at=at)
    else:
        raise KeyError(f"{view} is not computed from the lake")
    return rows.collect(engine="streaming")
