"""Computation of the feature views from the lake into the offline store.

A day's partition has one row per entity, as of the end of the UTC day (as of now for the current day). The hourly run
adds a row as of its own time and replaces the row of the same hour; computing a day's partition replaces all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from feature_repo.schemas import VIEW_SCHEMAS
from neighborconnect.contracts import features as names
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.features.lake_reads import read_activity
from pipelines.features.offline_store import replace_rows
from pipelines.features.view_computations import VIEW_COMPUTATIONS
from pipelines.features.view_names import LATEST_VIEWS
from pipelines.ingest.lake import LakeSnapshot
from pipelines.quality.quarantine import QuarantinedError, QuarantinedPartition
from pipelines.transforms.view_schema import require_complete

# The rows of a chunk of days are held in memory. The first chunk measures the rows per day; later chunks are as long as
# this limit allows, and at most four times as long as the previous one.
_FIRST_CHUNK_DAYS, _MAX_CHUNK_ROWS = 7, 500_000

HOUR_FORMAT = "%Y-%m-%dT%H"
"""Format of the name of an hour's partition."""

_log = get_logger(__name__)


def compute_days(settings: Settings, *, view: str, first: date, last: date) -> int:
    """Compute the rows of ``view`` for the UTC days from ``first`` to ``last``, inclusive; return their number.

    Days after today are skipped. Existing rows are replaced. The offline tables must exist
    (``feature_repo.store.apply``).

    Raises:
        EmptyInputError: if a day with rows would end up without; its rows are not deleted.
        QuarantinedError: if days failed the check of their values; the other days are replaced.
    """
    now = datetime.now(UTC)
    days = [first + timedelta(days=n) for n in range((min(last, now.date()) - first).days + 1)]
    lake = LakeSnapshot(settings)
    total, size = 0, _FIRST_CHUNK_DAYS
    quarantined: list[QuarantinedPartition] = []
    while days:
        chunk, days = days[:size], days[size:]
        rows = _compute(lake, view=view, at=[min(_day_start(day) + timedelta(days=1), now) for day in chunk])
        try:
            written = replace_rows(
                settings,
                rows,
                schema=VIEW_SCHEMAS[view],
                after=_day_start(chunk[0]),
                until=_day_start(chunk[-1]) + timedelta(days=1),
            )
        except QuarantinedError as error:
            quarantined += error.partitions
            written = error.rows[view]
        total += written
        size = max(1, min(4 * size, _MAX_CHUNK_ROWS * len(chunk) // max(written, 1)))
    _log.info("features.computed", view=view, first=str(first), last=str(last), rows=total)
    if quarantined:
        raise QuarantinedError(quarantined, rows={view: total})
    return total


def compute_latest(settings: Settings, *, at: datetime, views: Sequence[str] = LATEST_VIEWS) -> dict[str, int]:
    """Compute ``views`` as of ``at``, which has a time zone, and replace the rows of the same hour.

    Returns:
        The number of rows by view.

    Raises:
        EmptyInputError: if the lake has no rows for a view that has rows of that hour.
        QuarantinedError: if views failed the check of their values; the rows of the others are replaced.
    """
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    # A row at midnight belongs to the partition of the previous day.
    is_after_midnight = hour.hour == 0 and at > hour
    lake = LakeSnapshot(settings)
    written: dict[str, int] = {}
    quarantined: list[QuarantinedPartition] = []
    for view in views:
        try:
            written[view] = replace_rows(
                settings,
                _compute(lake, view=view, at=[at]),
                schema=VIEW_SCHEMAS[view],
                after=hour if is_after_midnight else hour - timedelta(microseconds=1),
                until=hour + timedelta(hours=1) - timedelta(microseconds=1),
                partition=hour.strftime(HOUR_FORMAT),
                # An hour without activity has no rows; a lake without any act is an error.
                may_be_empty=view == names.USER_RECENT_ACTIVITY and _has_activity(lake),
            )
        except QuarantinedError as error:
            quarantined += error.partitions
    _log.info("features.computed_latest", at=at.isoformat(), **written)
    if quarantined:
        raise QuarantinedError(quarantined, rows=written)
    return written


def _has_activity(lake: LakeSnapshot) -> bool:
    return not read_activity(lake).head(1).collect(engine="streaming").is_empty()


def _day_start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _compute(lake: LakeSnapshot, *, view: str, at: Sequence[datetime]) -> pl.DataFrame:
    if view not in VIEW_COMPUTATIONS:
        raise KeyError(f"{view} is not a feature view that is computed from the lake")
    rows = VIEW_COMPUTATIONS[view](lake, at).collect(engine="streaming")
    return require_complete(rows, schema=VIEW_SCHEMAS[view])
