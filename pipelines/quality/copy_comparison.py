"""Comparison of the copies of the events: with PostgreSQL, the source of truth, and with each other.

Rows are compared by key and fingerprint. The stores are not read at the same instant, so a difference counts only if
both rows are the same after a delay. Rows of people who requested erasure are excluded from both sides, because each
store deletes them at its own time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl
import psycopg
from psycopg import sql

from neighborconnect.contracts.privacy import PLATFORM_LOCATIONS, ErasureAction, Store
from neighborconnect.contracts.tables import Column, ColumnType
from neighborconnect.contracts.topics import STREAM_BY_TABLE, Stream
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.ingest.progress import ProgressReader, end_offsets

SETTLING_SECONDS = 10.0
_SCHEMA: Final = {"key": pl.String(), "fingerprint": pl.Int64()}
_TEXT: Final = {ColumnType.JSON: "to_jsonb({})::text", ColumnType.DECIMAL: "trim_scale({})::text"}
_READ_ONLY: Final = "-c default_transaction_read_only=on -c timezone=UTC"
_HEX_DIGITS: Final = 10
"""Leading hexadecimal digits of a hash or an id that make a fingerprint."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of a comparison of a store with its source.

    Attributes:
        source_rows: rows of the source.
        copy_rows: rows of the copy.
        differing_keys: keys that are missing, extra or changed in the copy after the delay, sorted.
        expected_rows: rows that must exist according to a third store; 0 if there is no such store.
    """

    source_rows: int
    copy_rows: int
    differing_keys: tuple[str, ...]
    expected_rows: int = 0

    @property
    def compared_nothing(self) -> bool:
        """Whether neither side has rows although rows are expected."""
        return not self.source_rows and not self.copy_rows and self.expected_rows > 0

    @property
    def passed(self) -> bool:
        """Whether both sides have the same rows; also if the source is empty and no rows are expected."""
        return not self.differing_keys and not self.compared_nothing


class Side(Protocol):
    """Rows of a table in one store."""

    def digest(self) -> tuple[int, int]:
        """Return the number of rows and the sum of their fingerprints."""
        ...

    def rows(self) -> pl.DataFrame:
        """Return the key and the fingerprint of each row."""
        ...


@dataclass(frozen=True, slots=True)
class _DatabaseSide:
    url: str
    query: sql.Composed
    erased_ids: list[str]

    def digest(self) -> tuple[int, int]:
        statement = sql.SQL("SELECT count(*), coalesce(sum(fingerprint), 0)::numeric FROM ({}) AS compared")
        [(count, total)] = self._read(statement.format(self.query)) or [(0, 0)]
        return int(count), int(total)

    def rows(self) -> pl.DataFrame:
        return pl.DataFrame(self._read(self.query), schema=_SCHEMA, orient="row")

    def _read(self, statement: sql.Composed) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, options=_READ_ONLY) as connection:
            try:
                return connection.execute(statement, {"erased": self.erased_ids}).fetchall()
            except psycopg.errors.UndefinedTable:
                # The sink creates the mirror when it starts for the first time.
                return []


@dataclass(frozen=True, slots=True)
class _LakeSide:
    scan: pl.LazyFrame

    def digest(self) -> tuple[int, int]:
        summed = self.scan.select(pl.len(), pl.col("fingerprint").cast(pl.Int128).sum())
        count, total = summed.collect(engine="streaming").row(0)
        return int(count), int(total)

    def rows(self) -> pl.DataFrame:
        return self.scan.collect(engine="streaming")


def count_repeated_events(settings: Settings, *, table: str) -> int:
    """Count the rows of a lake table beyond the first of each event id."""
    counted = scan_events(settings, table).select(pl.len() - pl.col("_event_id").n_unique()).collect(engine="streaming")
    return int(counted.item())


def compare_mirror_with_source(settings: Settings, *, table: str, settling_seconds: float | None = None) -> Comparison:
    """Compare every published column of a captured table in PostgreSQL with its mirror in ``raw``."""
    stream, erased = STREAM_BY_TABLE[table], read_erased_ids(settings)
    content = _content_fingerprint(stream.columns)
    source = _DatabaseSide(settings.database_url, _query(stream, sql.Identifier(table), content), erased)
    return compare(source, _mirror(settings, stream, content, erased), settling_seconds=settling_seconds)


def compare_lake_with_source(settings: Settings, *, table: str, settling_seconds: float | None = None) -> Comparison:
    """Compare the ids of a captured table in PostgreSQL with the ids whose newest event in the lake is no delete."""
    stream, erased = STREAM_BY_TABLE[table], read_erased_ids(settings)
    fingerprint = sql.SQL("('x' || left(replace(id::text, '-', ''), {}))::bit({})::bigint").format(
        sql.Literal(_HEX_DIGITS), sql.Literal(4 * _HEX_DIGITS)
    )
    source = _DatabaseSide(settings.database_url, _query(stream, sql.Identifier(table), fingerprint), erased)
    digits = pl.col("key").str.replace_all("-", "", literal=True).str.slice(0, _HEX_DIGITS)
    live = _live_rows(settings, stream, erased).select("key", fingerprint=digits.str.to_integer(base=16))
    return compare(source, _LakeSide(live), settling_seconds=settling_seconds)


def compare_mirror_with_lake(settings: Settings, *, table: str, settling_seconds: float | None = None) -> Comparison:
    """Compare the newest event id of each live row in the lake with that of the row in the mirror."""
    stream, erased = STREAM_BY_TABLE[table], read_erased_ids(settings)
    lake = _LakeSide(_live_rows(settings, stream, erased).select("key", fingerprint="_event_id"))
    mirror = _mirror(settings, stream, sql.SQL("_event_id"), erased)
    comparison = compare(lake, mirror, settling_seconds=settling_seconds)
    if comparison.source_rows or comparison.copy_rows or stream.is_change_stream:
        return comparison
    # Events have no table in PostgreSQL: the end offsets of Kafka count all that were ever published.
    published = sum(end for partition, end in end_offsets(settings).items() if partition.topic == stream.topic)
    return Comparison(0, 0, (), expected_rows=published)


def compare(source: Side, copy: Side, *, settling_seconds: float | None = None) -> Comparison:
    """Compare two sides; if they differ, compare again after ``settling_seconds`` (``SETTLING_SECONDS`` if None)."""
    source_digest, copy_digest = source.digest(), copy.digest()
    if source_digest == copy_digest:
        return Comparison(source_digest[0], copy_digest[0], ())
    first = _differences(source.rows(), copy.rows())
    threading.Event().wait(SETTLING_SECONDS if settling_seconds is None else settling_seconds)
    source_rows, copy_rows = source.rows(), copy.rows()
    second = _differences(source_rows, copy_rows)
    settled = second.join(first, on=["key", "fingerprint", "copy_fingerprint"], how="semi", nulls_equal=True)
    return Comparison(source_rows.height, copy_rows.height, tuple(settled["key"].sort()))


def count_events_in_flight(settings: Settings) -> int:
    """Count the events that have not reached both copies; they may explain a difference."""
    return ProgressReader(settings).read().events


def read_erased_ids(settings: Settings) -> list[str]:
    """Return the ids of all users who requested erasure."""
    with psycopg.connect(settings.database_url, options=_READ_ONLY) as connection:
        rows = connection.execute(
            "SELECT user_id::text FROM erasures UNION SELECT id::text FROM users WHERE erased_at IS NOT NULL"
        ).fetchall()
    return [user_id for (user_id,) in rows]


def _differences(source: pl.DataFrame, copy: pl.DataFrame) -> pl.DataFrame:
    joined = source.join(copy.rename({"fingerprint": "copy_fingerprint"}), on="key", how="full", coalesce=True)
    return joined.filter(pl.col("fingerprint").ne_missing(pl.col("copy_fingerprint")))


def _owner_columns(table: str) -> Sequence[str]:
    """Return the columns with the id of a row's owner, for tables whose rows erasure deletes."""
    return [
        location.subject_key
        for location in PLATFORM_LOCATIONS
        if location.store is Store.LAKE and location.name == table and location.action is ErasureAction.DELETED
    ]


def _key(stream: Stream) -> str:
    return "id" if stream.is_change_stream else "_event_id"


def _query(stream: Stream, table: sql.Identifier, fingerprint: sql.Composable) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("({0} IS NULL OR {0}::text <> ALL(%(erased)s))").format(sql.Identifier(column))
        for column in _owner_columns(stream.table)
    ]
    return sql.SQL("SELECT {}::text AS key, {} AS fingerprint FROM {} WHERE {}").format(
        sql.Identifier(_key(stream)), fingerprint, table, sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )


def _mirror(settings: Settings, stream: Stream, fingerprint: sql.Composable, erased: list[str]) -> _DatabaseSide:
    query = _query(stream, sql.Identifier("raw", stream.table), fingerprint)
    if stream.is_change_stream:
        query = sql.SQL("{} AND NOT _deleted").format(query)
    return _DatabaseSide(settings.warehouse_url, query, erased)


def _content_fingerprint(columns: Sequence[Column]) -> sql.Composed:
    """Return a fingerprint of a row's values that is the same in PostgreSQL and in the mirror."""
    texts = [sql.SQL(_TEXT.get(column.type, "{}::text")).format(sql.Identifier(column.name)) for column in columns]
    return sql.SQL("('x' || left(md5(ROW({})::text), {}))::bit({})::bigint").format(
        sql.SQL(", ").join(texts), sql.Literal(_HEX_DIGITS), sql.Literal(4 * _HEX_DIGITS)
    )


def _live_rows(settings: Settings, stream: Stream, erased: list[str]) -> pl.LazyFrame:
    """Return the newest event of each row that is not deleted: ``key`` and ``_event_id``."""
    is_erased = pl.lit(value=False)
    for column in _owner_columns(stream.table):
        is_erased = is_erased | pl.col(column).is_in(erased).fill_null(value=False)
    events = scan_events(settings, stream.table).select(
        pl.col(_key(stream)).cast(pl.String).alias("key"), "_event_id", "_op", is_erased=is_erased
    )
    newest = events.group_by("key").agg(
        pl.col("_op", "is_erased").sort_by("_event_id").last(), pl.col("_event_id").max()
    )
    return newest.filter(pl.col("_op") != "d", ~pl.col("is_erased"))
