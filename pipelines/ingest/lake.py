"""The lake's event tables, for those who read them and for their upkeep.

``events/<table>`` holds one row an event, for ever: the contract's columns, then ``_event_id`` (unique, rising with
each change of a row), ``_op`` (``c``, ``u``, ``d``, ``r``; ``c`` for behaviour and prediction events),
``_committed_at`` (when it was captured), ``_partition`` and ``_offset`` (where it lay in Kafka) and ``_date`` (UTC day
of ``_committed_at``, the partition). A ``d`` row carries the values the row had before it was deleted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from deltalake import DeltaTable

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.schema import EVENT_TIME, lake_schema

VACUUM_AFTER = timedelta(hours=24)
# An event cannot have happened later than it was captured, but for the clocks of phones and of servers.
CLOCK_SKEW = timedelta(hours=1)


def event_table(settings: Settings, table: str) -> DeltaTable | None:
    """Open ``events/<table>``; None while no event has arrived."""
    path, options = settings.lake_path("events", table), settings.lake_storage_options
    if not DeltaTable.is_deltatable(path, options):
        return None
    return DeltaTable(path, storage_options=options)


def scan_events(
    settings: Settings, table: str, *, since: datetime | None = None, until: datetime | None = None
) -> pl.LazyFrame:
    """Read the events of ``table`` lazily, in no order.

    Args:
        settings: where the lake is.
        table: a name of ``neighborconnect.contracts.topics.STREAM_BY_TABLE``.
        since: keep rows whose event time is not before it. The event time is the column that
            ``pipelines.ingest.schema.EVENT_TIME`` names, not the time of capture.
        until: keep rows whose event time is before it. A later change of such a row (an unlike) is kept too: filter
            on ``_committed_at`` where what was not yet known then must not be seen.

    Returns:
        A frame with the columns of ``lake_schema``; empty while no event has arrived.

    Raises:
        KeyError: when there is no such table.
    """
    schema = lake_schema(STREAM_BY_TABLE[table])
    opened = event_table(settings, table)
    if opened is None:
        return pl.LazyFrame(schema=schema)
    stored = pl.scan_delta(opened)
    # A column that the contract has won since is not there until the sink next writes.
    lacking = [pl.lit(None, dtype=schema[name]).alias(name) for name in schema.keys() - stored.collect_schema().keys()]
    events = stored.with_columns(lacking).select(list(schema))
    if since is not None:
        events = events.filter(pl.col("_date") >= (since - CLOCK_SKEW).date(), pl.col(EVENT_TIME[table]) >= since)
    if until is not None:
        events = events.filter(pl.col(EVENT_TIME[table]) < until)
    return events


def compact(settings: Settings, table: str) -> int:
    """Merge the small files of ``events/<table>``; return how many files went into larger ones."""
    opened = event_table(settings, table)
    return 0 if opened is None else int(opened.optimize.compact()["numFilesRemoved"])


def vacuum(settings: Settings, table: str) -> int:
    """Delete files that no version younger than ``VACUUM_AFTER`` needs; return how many."""
    opened = event_table(settings, table)
    if opened is None:
        return 0
    hours = int(VACUUM_AFTER.total_seconds() // 3600)
    return len(opened.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False))
