"""Reads and maintenance of the lake's event tables.

``events/<table>`` is append-only with one row per event: the columns of the contract, then

================  ===============================================================================================
Column            Content
================  ===============================================================================================
``_event_id``     unique, ascending with each change of a row
``_op``           ``c`` create, ``u`` update, ``d`` delete, ``r`` snapshot; ``c`` for behavior and prediction events
``_committed_at``  capture time
``_partition``    partition in Kafka
``_offset``       offset in Kafka
``_date``         UTC day of ``_committed_at``, the partition column
``_unknown``      values of a newer contract as a JSON object, until this version knows their columns; else null
================  ===============================================================================================

A ``d`` row contains the values of the row before its deletion.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.schema import EVENT_TIME, lake_schema

VACUUM_AFTER = timedelta(hours=24)
MAX_EVENT_CLOCK_LEAD = timedelta(hours=1)
"""An event time may be later than the capture time by this much, because clocks of phones and servers differ."""


def event_table(settings: Settings, table: str) -> DeltaTable | None:
    """Open ``events/<table>``; return None before the first event."""
    try:
        return DeltaTable(settings.lake_path("events", table), storage_options=settings.lake_storage_options)
    except TableNotFoundError:
        return None


class LakeSnapshot:
    """One version of every event table: all reads through it agree, and each table is opened once, when first used."""

    def __init__(self, settings: Settings) -> None:
        """Read the lake of ``settings``."""
        self._settings = settings
        self._opened: dict[str, DeltaTable | None] = {}

    def scan(self, table: str, *, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """Return the events of ``table`` as a lazy frame, without order.

        Args:
            table: a key of ``neighborconnect.contracts.topics.STREAM_BY_TABLE``.
            since: lower limit of the event time, inclusive. The event time is the column in
                ``pipelines.ingest.schema.EVENT_TIME``, not the capture time.
            until: upper limit of the event time, exclusive. Later changes of such rows (an unlike) are included: filter
                on ``_committed_at`` for point-in-time reads.

        Returns:
            A frame with the columns of ``lake_schema``; empty before the first event.

        Raises:
            KeyError: if there is no such table.
        """
        schema = lake_schema(STREAM_BY_TABLE[table])
        if table not in self._opened:
            self._opened[table] = event_table(self._settings, table)
        opened = self._opened[table]
        if opened is None:
            return pl.LazyFrame(schema=schema)
        stored = pl.scan_delta(opened)
        # A new column of the contract is missing in the table until the sink's next write.
        absent = schema.keys() - stored.collect_schema().keys()
        missing = [pl.lit(None, dtype=schema[name]).alias(name) for name in absent]
        events = stored.with_columns(missing).select(list(schema))
        if since is not None:
            events = events.filter(
                pl.col("_date") >= (since - MAX_EVENT_CLOCK_LEAD).date(), pl.col(EVENT_TIME[table]) >= since
            )
        if until is not None:
            events = events.filter(pl.col(EVENT_TIME[table]) < until)
        return events


def scan_events(
    settings: Settings, table: str, *, since: datetime | None = None, until: datetime | None = None
) -> pl.LazyFrame:
    """Return the events of one table at its newest version; see ``LakeSnapshot.scan``."""
    return LakeSnapshot(settings).scan(table, since=since, until=until)


def compact(settings: Settings, table: str) -> int:
    """Merge the small files of ``events/<table>``; return the number of merged files."""
    opened = event_table(settings, table)
    return 0 if opened is None else int(opened.optimize.compact()["numFilesRemoved"])


def vacuum(settings: Settings, table: str) -> int:
    """Delete the files of ``events/<table>`` that no retained version needs; return their number."""
    return vacuum_path(settings, settings.lake_path("events", table))


def vacuum_path(settings: Settings, path: str, *, after: timedelta = VACUUM_AFTER) -> int:
    """Delete the files of a Delta table that no version younger than ``after`` needs; return their number."""
    try:
        table = DeltaTable(path, storage_options=settings.lake_storage_options)
    except TableNotFoundError:
        return 0
    hours = int(after.total_seconds() // 3600)
    return len(table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False))
