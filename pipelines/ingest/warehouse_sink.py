"""Sink that writes ``raw`` tables of the warehouse, with rows and offsets in one transaction.

A captured table becomes a mirror of its current state with one row per id; a change applies only if its event id is
higher than the row's, and a deleted row retains its id with ``_deleted``. Behavior and prediction events are only
inserted. Offset rows are locked before they are compared, so a zombie writer skips records that are already stored.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from neighborconnect.contracts.topics import Stream
from neighborconnect.settings import Settings
from pipelines.ingest.sinks import OffsetFence, TopicPartition
from pipelines.ingest.warehouse_tables import create_tables

_BULK_METADATA: Final = ("_event_id", "_op", "_committed_at")


class WarehouseSink:
    """Writer of ``raw.<table>``."""

    name = "warehouse"
    check_seconds = 2.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fence = OffsetFence()
        self._connection: psycopg.Connection[TupleRow] | None = None

    def open(self) -> None:
        """Connect and create missing tables.

        Raises:
            psycopg.OperationalError: if the warehouse is unreachable.
        """
        self.close()
        self._connection = psycopg.connect(
            self._settings.warehouse_url,
            autocommit=True,
            application_name="ingest-warehouse",
            connect_timeout=5,
            keepalives_idle=5,
            tcp_user_timeout=30_000,
        )
        # Rows and offsets that a crash of the server loses are read from Kafka again.
        self._connection.execute("SET synchronous_commit = off")
        create_tables(self._connection)

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the stored next offsets."""
        stored = self._stored()
        written = {partition: stored[partition] for partition in partitions if partition in stored}
        self._fence.begin(written)
        return written

    def check_offsets(self) -> None:
        """Compare the stored offsets with the last seen ones; raise ``SinkResetError`` if one is lower."""
        stored = self._stored()
        self._fence.check({partition: stored.get(partition, 0) for partition in self._fence.partitions})

    def _stored(self) -> dict[TopicPartition, int]:
        rows = self._open.execute(
            "SELECT topic, partition, next_offset FROM ingest.kafka_offsets WHERE sink = %s", [self.name]
        )
        return {TopicPartition(topic, number): int(offset) for topic, number, offset in rows}

    def rewind(self, partition: TopicPartition, offset: int) -> None:
        """Store ``offset`` as the next one of ``partition``."""
        self._open.execute(
            "UPDATE ingest.kafka_offsets SET next_offset = %s WHERE sink = %s AND topic = %s AND partition = %s",
            [offset, self.name, partition.topic, partition.partition],
        )
        self._fence.rewind(partition, offset)

    def write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> list[tuple[int, str]]:
        """Commit rows and offsets; rows that PostgreSQL rejects are isolated by bisection of the batch."""
        try:
            self._write(stream, frame, next_offsets)
        except psycopg.DataError:
            return self._find_rejected(stream, frame.with_row_index("_row"))
        return []

    def insert(self, stream: Stream, frame: pl.DataFrame) -> None:
        """Insert rows from another source than Kafka, without changing offsets; stored events are skipped."""
        with self._open.transaction():
            self._load(stream, frame)

    def _write(self, stream: Stream, frame: pl.DataFrame, next_offsets: Mapping[int, int]) -> None:
        connection = self._open
        with connection.transaction():
            stored = self._lock_offsets(stream, next_offsets)
            self._fence.check({TopicPartition(stream.topic, number): offset for number, offset in stored.items()})
            stored_offset = pl.col("_partition").replace_strict(stored, default=0, return_dtype=pl.Int64)
            self._load(stream, frame.filter(pl.col("_offset") >= stored_offset))
            connection.cursor().executemany(
                "UPDATE ingest.kafka_offsets SET next_offset = greatest(next_offset, %s) "
                "WHERE sink = %s AND topic = %s AND partition = %s",
                [(offset, self.name, stream.topic, partition) for partition, offset in next_offsets.items()],
            )
        self._fence.advance(stream.topic, next_offsets)

    def _lock_offsets(self, stream: Stream, partitions: Iterable[int]) -> dict[int, int]:
        numbers = sorted(partitions)
        self._open.execute(
            "INSERT INTO ingest.kafka_offsets (sink, topic, partition, next_offset) "
            "SELECT %s, %s, unnest(%s::integer[]), 0 ON CONFLICT DO NOTHING",
            [self.name, stream.topic, numbers],
        )
        rows = self._open.execute(
            "SELECT partition, next_offset FROM ingest.kafka_offsets WHERE sink = %s AND topic = %s "
            "AND partition = ANY(%s) ORDER BY partition FOR UPDATE",
            [self.name, stream.topic, numbers],
        )
        # A rebuild may delete a row between the two statements.
        return dict.fromkeys(numbers, 0) | {int(partition): int(offset) for partition, offset in rows}

    def _load(self, stream: Stream, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        rows = _latest_state(frame) if stream.is_change_stream else frame
        columns = [*(column.name for column in stream.columns), *_BULK_METADATA]
        staged = sql.Identifier(f"staged_{stream.table}")
        buffer = io.BytesIO()
        rows.select(columns).write_csv(buffer, include_header=False, quote_style="non_numeric")
        cursor = self._open.cursor()
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
            ).format(staged, names, sql.Identifier("raw", stream.table))
        )
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(staged, names)) as copy:
            copy.write(buffer.getbuffer())
        cursor.execute(_merge(stream, columns, staged))

    def _find_rejected(self, stream: Stream, rows: pl.DataFrame) -> list[tuple[int, str]]:
        """Return index and reason of the rows that cannot be loaded, by loading halves and rolling back."""
        try:
            with self._open.transaction(force_rollback=True):
                self._load(stream, rows.drop("_row"))
        except psycopg.DataError as error:
            if rows.height > 1:
                half = rows.height // 2
                return self._find_rejected(stream, rows[:half]) + self._find_rejected(stream, rows[half:])
            return [(int(rows["_row"][0]), f"{type(error).__name__}: {error.diag.message_primary or error}")]
        return []

    @property
    def _open(self) -> psycopg.Connection[TupleRow]:
        if self._connection is None:
            raise psycopg.InterfaceError("The warehouse sink is not open")
        return self._connection


def _latest_state(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the newest event of each id; a delete retains only the id and the metadata."""
    newest = frame.sort("_event_id").unique("id", keep="last", maintain_order=True)
    retained = {"id", *_BULK_METADATA}
    return newest.with_columns(
        pl.when(pl.col("_op") != "d").then(pl.col(name)).alias(name) for name in newest.columns if name not in retained
    )


def _merge(stream: Stream, columns: list[str], staged: sql.Identifier) -> sql.Composed:
    target, names = sql.Identifier("raw", stream.table), sql.SQL(", ").join(map(sql.Identifier, columns))
    if not stream.is_change_stream:
        return sql.SQL("INSERT INTO {} ({names}) SELECT {names} FROM {} ON CONFLICT (_event_id) DO NOTHING").format(
            target, staged, names=names
        )
    updates = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in [*columns, "_deleted"] if name != "id"
    )
    return sql.SQL(
        "INSERT INTO {} AS mirror ({names}, _deleted) SELECT {names}, _op = 'd' FROM {} "
        "ON CONFLICT (id) DO UPDATE SET {} WHERE mirror._event_id < excluded._event_id"
    ).format(target, staged, updates, names=names)
