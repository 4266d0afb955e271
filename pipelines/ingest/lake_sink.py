"""Sink that appends events to Delta tables, each event once.

The next offset of a partition is the version of the Delta transaction ``topic:partition``, written in the same commit
as the rows. Two writers of one partition (a zombie and its successor) conflict on that transaction: the second fails,
reads the table again and skips the rows that are already stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.ingest.decode import decode_unknown
from pipelines.ingest.dedup_index import DedupIndex, Ids
from pipelines.ingest.schema import UNKNOWN, lake_schema
from pipelines.ingest.sinks import OffsetFence, TopicPartition

MAX_ATTEMPTS: Final = 5
# Rebasing on concurrent appends and compactions is cheap, and frequent commits make it likely.
_MAX_REBASES: Final = 50
# To open a table is to read its checkpoint and each commit after it.
_CONFIGURATION: Final = {"delta.logRetentionDuration": "interval 2 days", "delta.checkpointInterval": "10"}


class LakeSink:
    """Writer of ``events/<table>``; ``pipelines.ingest.lake`` reads it."""

    name = "lake"
    # Each check costs one or two requests per table.
    check_seconds = 10.0

    def __init__(self, settings: Settings, *, streams: Sequence[Stream] = STREAMS) -> None:
        self._settings = settings
        self._streams = {stream.topic: stream for stream in streams}
        self._tables: dict[str, DeltaTable] = {}
        self._dedup: dict[str, DedupIndex] = {}
        self._fence = OffsetFence()

    def open(self) -> None:
        """Drop the cached tables; each is opened again when it is used."""
        self._tables.clear()
        self._dedup.clear()

    def close(self) -> None:
        """Drop the cached tables."""
        self.open()

    def offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the stored next offsets, after dropping the cached tables."""
        self.open()
        stored = {partition: self._next_offset(partition) for partition in partitions}
        written = {partition: offset for partition, offset in stored.items() if offset is not None}
        self._fence.begin(written)
        return written

    def check_offsets(self) -> None:
        """Compare the stored offsets with the last seen ones; raise ``SinkResetError`` if one is lower."""
        for topic in {partition.topic for partition in self._fence.partitions}:
            self._table(self._streams[topic]).update_incremental()
        self._fence.check({partition: self._next_offset(partition) or 0 for partition in self._fence.partitions})

    def rewind(self, partition: TopicPartition, offset: int) -> None:
        """Store ``offset`` as the next one of ``partition``."""
        stream = self._streams[partition.topic]
        self._append(stream, pl.DataFrame(schema=lake_schema(stream)), {partition.partition: offset})
        self._fence.rewind(partition, offset)

    def write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> list[tuple[int, str]]:
        """Append new events; the lake rejects no typed row."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._write(stream, frame, next_offsets)
            except CommitFailedError:
                if attempt == MAX_ATTEMPTS:
                    raise
                self._tables.pop(stream.table, None)
                self._dedup.pop(stream.table, None)
            else:
                break
        return []

    def _write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> None:
        stored = {number: self._next_offset(TopicPartition(stream.topic, number)) or 0 for number in next_offsets}
        self._fence.check({TopicPartition(stream.topic, number): offset for number, offset in stored.items()})
        ahead = {number: offset for number, offset in next_offsets.items() if offset > stored[number]}
        if not ahead:
            self._fence.advance(stream.topic, stored)
            return
        stored_offset = pl.col("_partition").replace_strict(stored, default=0, return_dtype=pl.Int64)
        new = frame.filter(pl.col("_offset") >= stored_offset).unique("_event_id", keep="first", maintain_order=True)
        index = self._dedup_index(stream)
        new = new.filter(~pl.Series(index.contains(new["_event_id"].to_numpy()), dtype=pl.Boolean))
        self._append(stream, new, ahead)
        self._fence.advance(stream.topic, ahead)
        index.add(new["_event_id"].to_numpy())

    def _append(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> None:
        write_deltalake(
            self._table(stream),
            frame.to_arrow(),
            mode="append",
            # A column that was removed from the contract stays in the table and is null in new rows.
            schema_mode="merge",
            commit_properties=CommitProperties(
                app_transactions=[
                    Transaction(f"{stream.topic}:{partition}", offset) for partition, offset in next_offsets.items()
                ],
                max_commit_retries=_MAX_REBASES,
            ),
        )

    def _next_offset(self, partition: TopicPartition) -> int | None:
        stored: int | None = self._table(self._streams[partition.topic]).transaction_version(
            f"{partition.topic}:{partition.partition}"
        )
        return stored

    def _table(self, stream: Stream) -> DeltaTable:
        if stream.table not in self._tables:
            self._tables[stream.table] = open_or_create(self._settings, stream)
        return self._tables[stream.table]

    def _dedup_index(self, stream: Stream) -> DedupIndex:
        if stream.table not in self._dedup:
            table = self._table(stream)

            def lookup(lowest: int, highest: int) -> Ids:
                between = (ds.field("_event_id") >= lowest) & (ds.field("_event_id") <= highest)
                rows = table.to_pyarrow_dataset().to_table(columns=["_event_id"], filter=between)
                return np.asarray(rows["_event_id"].to_numpy(), np.int64)

            self._dedup[stream.table] = DedupIndex(highest=_highest_event_id(table), lookup=lookup)
        return self._dedup[stream.table]


def open_or_create(settings: Settings, stream: Stream) -> DeltaTable:
    """Open the table of ``stream``; create it and add new columns of the contract if needed."""
    path, options = settings.lake_path("events", stream.table), settings.lake_storage_options
    try:
        table = DeltaTable(path, storage_options=options)
    except TableNotFoundError:
        DeltaTable.create(
            path,
            pl.DataFrame(schema=lake_schema(stream)).to_arrow().schema,
            mode="ignore",
            partition_by=["_date"],
            configuration=_CONFIGURATION | _statistics_of(stream),
            storage_options=options,
        )
        table = DeltaTable(path, storage_options=options)
    if not _statistics_of(stream).items() <= table.metadata().configuration.items():
        table.alter.set_table_properties(_statistics_of(stream))
    present = {field.name for field in table.schema().fields}
    required = Schema.from_arrow(pl.DataFrame(schema=lake_schema(stream)).to_arrow().schema).fields
    if new := [field for field in required if field.name not in present]:
        table.alter.add_columns(new)
        if UNKNOWN in present:
            _restore(table, stream, columns=[field.name for field in new])
    return table


def _statistics_of(stream: Stream) -> dict[str, str]:
    """Return the property of a table that limits statistics to ids, times and numbers.

    Statistics are the smallest and the largest value of each column of a file. The log retains them longer than the
    files, so they must not contain words of users.
    """
    names = [
        name
        for name, kind in lake_schema(stream).items()
        if not kind.is_nested() and name != "_date" and (kind != pl.String or name == "id" or name.endswith("_id"))
    ]
    return {"delta.dataSkippingStatsColumns": ",".join(names)}


def _restore(table: DeltaTable, stream: Stream, *, columns: list[str]) -> None:
    """Fill new columns from the values that a sink with an older contract retained in ``_unknown``."""
    retained = pl.scan_delta(table).filter(pl.col(UNKNOWN).is_not_null()).select("_event_id", UNKNOWN)
    rows = retained.collect(engine="streaming")
    if rows.is_empty():
        return
    values = rows.select("_event_id").hstack(decode_unknown(stream, rows[UNKNOWN], columns=columns))
    merge = table.merge(
        values.to_arrow(),
        predicate="stored._event_id = retained._event_id",
        source_alias="retained",
        target_alias="stored",
    )
    merge.when_matched_update({f"stored.{name}": f"retained.{name}" for name in columns}).execute()
    table.update_incremental()


def _highest_event_id(table: DeltaTable) -> int:
    """Return the highest id from the statistics in the table's log; 0 if the table is empty."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return 0
    highest = actions["max._event_id"].max()
    return int(highest) if isinstance(highest, int) else 0
