"""Statistics, compaction and vacuum of the lake's event tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import polars as pl
from pyarrow import fs

from neighborconnect.contracts.topics import STREAM_BY_TABLE, STREAMS
from neighborconnect.settings import Settings
from pipelines.ingest.lake import compact, event_table, scan_events, vacuum, vacuum_path

__all__ = [
    "TABLES",
    "TableStats",
    "UnknownTableError",
    "compact",
    "require_table",
    "table_stats",
    "vacuum",
    "vacuum_erased",
]

TABLES = tuple(stream.table for stream in STREAMS)
_LOG_RETENTION = "delta.logRetentionDuration"


class UnknownTableError(ValueError):
    """The lake has no such table; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class TableStats:
    """Size of a table.

    Attributes:
        rows: number of events.
        files: number of files of the newest version.
        bytes: size of these files.
        removed_bytes: size of the other data files, which a vacuum deletes.
        oldest: first capture time.
        newest: last capture time.
    """

    rows: int
    files: int
    bytes: int
    removed_bytes: int
    oldest: datetime | None
    newest: datetime | None


def require_table(name: str) -> str:
    """Return the name of an event table; raise ``UnknownTableError`` for another one."""
    if name not in STREAM_BY_TABLE:
        raise UnknownTableError(f"The lake has no table {name!r}. It has {', '.join(TABLES)}.")
    return name


def table_stats(settings: Settings, table: str) -> TableStats | None:
    """Return the statistics of an event table; None before its first event."""
    opened = event_table(settings, table)
    if opened is None:
        return None
    sizes = pl.DataFrame(opened.get_add_actions())["size_bytes"]
    stored = sum(file.size for file in _data_files(settings, table))
    rows, oldest, newest = (
        scan_events(settings, table)
        .select(pl.len(), pl.col("_committed_at").min().alias("oldest"), pl.col("_committed_at").max().alias("newest"))
        .collect(engine="streaming")
        .row(0)
    )
    used = int(sizes.sum())
    return TableStats(rows, len(sizes), used, max(0, stored - used), oldest, newest)


def vacuum_erased(settings: Settings, table: str) -> int:
    """Delete every file that the newest version does not need, and the log before it; return the number of files.

    The log quotes the smallest and largest value of each column of a file, also of files that an erasure removed.
    """
    opened = event_table(settings, table)
    if opened is None:
        return 0
    deleted = vacuum_path(settings, settings.lake_path("events", table), after=timedelta(0))
    opened.update_incremental()
    retention = opened.metadata().configuration.get(_LOG_RETENTION, "interval 30 days")
    # The log is deleted up to its newest checkpoint, if it is older than the retention.
    opened.alter.set_table_properties({_LOG_RETENTION: "interval 0 seconds"})
    opened.create_checkpoint()
    opened.cleanup_metadata()
    opened.alter.set_table_properties({_LOG_RETENTION: retention})
    return deleted


def _data_files(settings: Settings, table: str) -> Iterable[fs.FileInfo]:
    endpoint = urlsplit(settings.s3_endpoint_url)
    store = fs.S3FileSystem(
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        endpoint_override=endpoint.netloc,
        scheme=endpoint.scheme,
        region=settings.s3_region,
    )
    folder = f"{settings.s3_lake_bucket}/events/{table}"
    files = store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
    return (file for file in files if file.type == fs.FileType.File and "/_delta_log/" not in file.path)
