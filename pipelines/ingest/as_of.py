"""Rows of the lake's tables as of a time in the past.

The tables are append-only, so a past state is computed from the events and needs no old version of the table. It
reaches back to the first event, and rows that were erased since are missing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from neighborconnect.contracts.topics import STREAM_BY_TABLE, STREAMS
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events


class AsOfError(ValueError):
    """A time cannot be used; the message contains the reason."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Number of rows of a table then and now."""

    table: str
    then: int
    now: int


def rows_as_of(settings: Settings, table: str, timestamp: str) -> pl.LazyFrame:
    """Return the rows of ``table`` as of ``timestamp``.

    Raises:
        AsOfError: if the time has no zone, is in the future, or is before the first event of the lake.
    """
    return _rows(settings, table, parse_time(settings, timestamp))


def count_rows(settings: Settings, timestamp: str) -> Iterator[RowCounts]:
    """Yield the number of rows of each table as of ``timestamp``; raises as ``rows_as_of`` does."""
    until = parse_time(settings, timestamp)
    for stream in STREAMS:
        now = _count(_rows(settings, stream.table, datetime.now(UTC)))
        yield RowCounts(stream.table, then=_count(_rows(settings, stream.table, until)), now=now)


def parse_time(settings: Settings, timestamp: str) -> datetime:
    """Return the time; raises as ``rows_as_of`` does."""
    try:
        until = datetime.fromisoformat(timestamp)
    except ValueError:
        raise AsOfError(f"{timestamp!r} is not a time; write it as 2026-11-16T09:00:00Z.") from None
    if until.tzinfo is None:
        raise AsOfError(f"{timestamp} has no time zone; add Z for UTC, or an offset such as +02:00.")
    if until > datetime.now(UTC):
        raise AsOfError(f"{timestamp} is in the future.")
    begins = first_capture(settings)
    if begins is None:
        raise AsOfError("The lake has no events yet.")
    if until < begins:
        raise AsOfError(f"{timestamp} is before the lake begins, at {begins.isoformat(timespec='seconds')}.")
    return until


def first_capture(settings: Settings) -> datetime | None:
    """Return the capture time of the first event in the lake; None if there is none."""
    firsts = (scan_events(settings, stream.table).select(pl.col("_committed_at").min()) for stream in STREAMS)
    times = [frame.item() for frame in pl.collect_all(list(firsts))]
    return min((time for time in times if time is not None), default=None)


def _rows(settings: Settings, table: str, until: datetime) -> pl.LazyFrame:
    events = scan_events(settings, table).filter(
        pl.col("_date") <= until.astimezone(UTC).date(), pl.col("_committed_at") <= until
    )
    if not STREAM_BY_TABLE[table].is_change_stream:
        return events
    newest = events.sort("_event_id").unique("id", keep="last")
    return newest.filter(pl.col("_op") != "d")


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())
