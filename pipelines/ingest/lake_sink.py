"""Kafka to append-only Delta tables, each event once.

The next offset of a partition is a Delta transaction identifier (``topic:partition``), written in the same commit
as the rows. Two writers of one partition (one of them believed dead) conflict on that identifier: the second fails,
reads the table again and finds its rows there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from neighborconnect.contracts.topics import STREAMS, Stream
from neighborconnect.settings import Settings
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.seen import Ids, SeenIds
from pipelines.ingest.sinks import Place, StoredOffsets

ATTEMPTS: Final = 5
# A rebase on others' appends and compactions is cheap, and one commit a second makes them likely.
_REBASES: Final = 50
_CONFIGURATION: Final = {"delta.logRetentionDuration": "interval 2 days", "delta.checkpointInterval": "50"}


class LakeSink:
    """Writes ``events/<table>``; its reader's half is ``pipelines.ingest.lake``."""

    name = "lake"
    # A request or two a table: the lake is asked less often.
    check_seconds = 10.0

    def __init__(self, settings: Settings, *, streams: Sequence[Stream] = STREAMS) -> None:
        self._settings = settings
        self._streams = {stream.topic: stream for stream in streams}
        self._tables: dict[str, DeltaTable] = {}
        self._seen: dict[str, SeenIds] = {}
        self._fence = StoredOffsets()

    def open(self) -> None:
        """Forget the tables; each is read again when it is used."""
        self._tables.clear()
        self._seen.clear()

    def close(self) -> None:
        """Forget the tables."""
        self.open()

    def offsets(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the stored next offsets, and forget what others may have written since."""
        self.open()
        stored = {place: self._next_offset(place) for place in places}
        known = {place: offset for place, offset in stored.items() if offset is not None}
        self._fence.begin(known)
        return known

    def check_offsets(self) -> None:
        """Compare the newest versions' offsets with those last seen; raises ``SinkResetError`` where they went back."""
        for topic in {place.topic for place in self._fence.places}:
            self._table(self._streams[topic]).update_incremental()
        self._fence.check({place: self._next_offset(place) or 0 for place in self._fence.places})

    def rewind(self, place: Place, offset: int) -> None:
        """Store ``offset`` as the next one of ``place``."""
        stream = self._streams[place.topic]
        self._append(stream, pl.DataFrame(schema=lake_schema(stream)), {place.partition: offset})
        self._fence.rewind(place, offset)

    def write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> list[tuple[int, str]]:
        """Append new events; the lake refuses nothing that is typed."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._write(stream, frame, next_offsets)
            except CommitFailedError:
                if attempt == ATTEMPTS:
                    raise
                self._tables.pop(stream.table, None)
                self._seen.pop(stream.table, None)
            else:
                break
        return []

    def _write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> None:
        stored = {partition: self._next_offset(Place(stream.topic, partition)) or 0 for partition in next_offsets}
        self._fence.check({Place(stream.topic, partition): offset for partition, offset in stored.items()})
        ahead = {partition: offset for partition, offset in next_offsets.items() if offset > stored[partition]}
        if not ahead:
            self._fence.advance(stream.topic, stored)
            return
        floor = pl.col("_partition").replace_strict(stored, default=0, return_dtype=pl.Int64)
        fresh = frame.filter(pl.col("_offset") >= floor).unique("_event_id", keep="first", maintain_order=True)
        seen = self._seen_ids(stream)
        fresh = fresh.filter(~pl.Series(seen.known(fresh["_event_id"].to_numpy()), dtype=pl.Boolean))
        self._append(stream, fresh, ahead)
        self._fence.advance(stream.topic, ahead)
        seen.add(fresh["_event_id"].to_numpy())

    def _append(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> None:
        write_deltalake(
            self._table(stream),
            frame.to_arrow(),
            mode="append",
            commit_properties=CommitProperties(
                app_transactions=[
                    Transaction(f"{stream.topic}:{partition}", offset) for partition, offset in next_offsets.items()
                ],
                max_commit_retries=_REBASES,
            ),
        )

    def _next_offset(self, place: Place) -> int | None:
        stored: int | None = self._table(self._streams[place.topic]).transaction_version(
            f"{place.topic}:{place.partition}"
        )
        return stored

    def _table(self, stream: Stream) -> DeltaTable:
        if stream.table not in self._tables:
            self._tables[stream.table] = open_or_create(self._settings, stream)
        return self._tables[stream.table]

    def _seen_ids(self, stream: Stream) -> SeenIds:
        if stream.table not in self._seen:
            table = self._table(stream)

            def lookup(lowest: int, highest: int) -> Ids:
                between = (ds.field("_event_id") >= lowest) & (ds.field("_event_id") <= highest)
                found = table.to_pyarrow_dataset().to_table(columns=["_event_id"], filter=between)
                return np.asarray(found["_event_id"].to_numpy(), np.int64)

            self._seen[stream.table] = SeenIds(highest=_highest_event_id(table), lookup=lookup)
        return self._seen[stream.table]


def open_or_create(settings: Settings, stream: Stream) -> DeltaTable:
    """Open the table of ``stream``, making it first if there is none, with the columns that the contract has by now."""
    path, options = settings.lake_path("events", stream.table), settings.lake_storage_options
    if not DeltaTable.is_deltatable(path, options):
        DeltaTable.create(
            path,
            pl.DataFrame(schema=lake_schema(stream)).to_arrow().schema,
            mode="ignore",
            partition_by=["_date"],
            configuration=_CONFIGURATION,
            storage_options=options,
        )
    table = DeltaTable(path, storage_options=options)
    present = {field.name for field in table.schema().fields}
    wanted = Schema.from_arrow(pl.DataFrame(schema=lake_schema(stream)).to_arrow().schema).fields
    if new := [field for field in wanted if field.name not in present]:
        table.alter.add_columns(new)
    return table


def _highest_event_id(table: DeltaTable) -> int:
    """Read the highest id from the statistics in the table's log."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return 0
    highest = actions["max._event_id"].max()
    return int(highest) if isinstance(highest, int) else 0
