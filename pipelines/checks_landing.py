"""Comparisons of the landed tables: with PostgreSQL, which is the truth, and with each other.

Rows are compared by key and fingerprint. The stores do not keep step, so a difference counts only where both sides are
the same a while later. People who asked for erasure are left out of both sides: their rows leave each store at its
own time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl
import psycopg
from psycopg import sql

from neighborconnect.contracts.privacy import PLATFORM, Fate, Store
from neighborconnect.contracts.tables import Column, ColumnType
from neighborconnect.contracts.topics import STREAM_BY_TABLE, Stream
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.ingest.progress import end_offsets, progress

SETTLING_SECONDS = 10.0
EXAMPLES: Final = 5
_FRAME: Final = {"key": pl.String(), "fingerprint": pl.Int64()}
_READ_ONLY: Final = "-c default_transaction_read_only=on -c timezone=UTC"
# The first digits of a hexadecimal number, as an integer.
_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome: rows on each side, and keys that differ for good.

    Attributes:
        truth: rows of the store that is compared with.
        copy: rows of the store that is checked.
        differing: keys that are missing, extra or changed in the copy, sorted.
        expected: rows that must be somewhere, by what a third source says; 0 where it says nothing.
    """

    truth: int
    copy: int
    differing: tuple[str, ...]
    expected: int = 0

    @property
    def compared_nothing(self) -> bool:
        """Whether there was no row to compare although there should be some."""
        return not self.truth and not self.copy and self.expected > 0

    @property
    def passed(self) -> bool:
        """Whether rows were compared and agree, or the source is empty too."""
        return not self.differing and not self.compared_nothing


class Side(Protocol):
    """One store's rows of a table."""

    def digest(self) -> tuple[int, int]:
        """Return the number of rows and the sum of their fingerprints."""
        ...

    def rows(self) -> pl.DataFrame:
        """Return every row's key and fingerprint."""
        ...


@dataclass(frozen=True, slots=True)
class _Database:
    url: str
    query: sql.Composed
    erased: list[str]

    def digest(self) -> tuple[int, int]:
        statement = sql.SQL("SELECT count(*), coalesce(sum(fingerprint), 0)::numeric FROM ({}) AS compared")
        [(number, total)] = self._read(statement.format(self.query)) or [(0, 0)]
        return int(number), int(total)

    def rows(self) -> pl.DataFrame:
        return pl.DataFrame(self._read(self.query), schema=_FRAME, orient="row")

    def _read(self, statement: sql.Composed) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, options=_READ_ONLY) as connection:
            try:
                return connection.execute(statement, {"erased": self.erased}).fetchall()
            except psycopg.errors.UndefinedTable:
                # A mirror whose sink has never run is empty.
                return []


@dataclass(frozen=True, slots=True)
class _Lake:
    scan: pl.LazyFrame

    def digest(self) -> tuple[int, int]:
        summed = self.scan.select(pl.len(), pl.col("fingerprint").cast(pl.Int128).sum())
        number, total = summed.collect(engine="streaming").row(0)
        return int(number), int(total)

    def rows(self) -> pl.DataFrame:
        return self.scan.collect(engine="streaming")


def repeated_events(settings: Settings, *, table: str) -> int:
    """Count the rows of a lake table beyond the first of each event id."""
    counted = scan_events(settings, table).select(pl.len() - pl.col("_event_id").n_unique()).collect(engine="streaming")
    return int(counted.item())


def mirror_against_source(settings: Settings, *, table: str, settling: float | None = None) -> Comparison:
    """Compare every published column of a captured table in PostgreSQL with its mirror in ``raw``."""
    stream, erased = STREAM_BY_TABLE[table], erased_people(settings)
    content = _content(stream.columns)
    source = _Database(settings.database_url, _query(stream, sql.Identifier(table), content), erased)
    return compare(source, _mirror(settings, stream, content, erased), settling=settling)


def lake_against_source(settings: Settings, *, table: str, settling: float | None = None) -> Comparison:
    """Compare the ids of a captured table in PostgreSQL with those whose newest event in the lake is no delete."""
    stream, erased = STREAM_BY_TABLE[table], erased_people(settings)
    fingerprint = sql.SQL("('x' || left(replace(id::text, '-', ''), {}))::bit({})::bigint").format(
        sql.Literal(_DIGITS), sql.Literal(4 * _DIGITS)
    )
    source = _Database(settings.database_url, _query(stream, sql.Identifier(table), fingerprint), erased)
    digits = pl.col("key").str.replace_all("-", "", literal=True).str.slice(0, _DIGITS)
    live = _live(settings, stream, erased).select("key", fingerprint=digits.str.to_integer(base=16))
    return compare(source, _Lake(live), settling=settling)


def mirror_against_lake(settings: Settings, *, table: str, settling: float | None = None) -> Comparison:
    """Compare the newest event of each live row in the lake with the one that the mirror has."""
    stream, erased = STREAM_BY_TABLE[table], erased_people(settings)
    lake = _Lake(_live(settings, stream, erased).select("key", fingerprint="_event_id"))
    found = compare(lake, _mirror(settings, stream, sql.SQL("_event_id"), erased), settling=settling)
    if found.truth or found.copy or stream.is_change_stream:
        return found
    # Events have no table in PostgreSQL: Kafka counts how many there ever were.
    published = sum(end for place, end in end_offsets(settings).items() if place.topic == stream.topic)
    return Comparison(0, 0, (), expected=published)


def compare(truth: Side, copy: Side, *, settling: float | None = None) -> Comparison:
    """Compare two sides, and once more after ``settling`` seconds where they differ."""
    whole, part = truth.digest(), copy.digest()
    if whole == part:
        return Comparison(whole[0], part[0], ())
    first = _differences(truth.rows(), copy.rows())
    threading.Event().wait(SETTLING_SECONDS if settling is None else settling)
    mine, theirs = truth.rows(), copy.rows()
    settled = _differences(mine, theirs).join(first, on=["key", "fingerprint", "other"], how="semi", nulls_equal=True)
    return Comparison(mine.height, theirs.height, tuple(settled["key"].sort()))


def on_their_way(settings: Settings) -> int:
    """Count events that have not arrived in both copies: a difference may be theirs."""
    return progress(settings).events


def erased_people(settings: Settings) -> list[str]:
    """Return the ids of everybody who asked for erasure."""
    with psycopg.connect(settings.database_url, options=_READ_ONLY) as connection:
        rows = connection.execute(
            "SELECT user_id::text FROM erasures UNION SELECT id::text FROM users WHERE erased_at IS NOT NULL"
        ).fetchall()
    return [person for (person,) in rows]


def _differences(truth: pl.DataFrame, copy: pl.DataFrame) -> pl.DataFrame:
    other = copy.rename({"fingerprint": "other"})
    joined = truth.join(other, on="key", how="full", coalesce=True)
    return joined.filter(pl.col("fingerprint").ne_missing(pl.col("other")))


def _people_of(table: str) -> Sequence[str]:
    """Return the columns that name whose a row is, where erasure deletes the row."""
    return [
        place.person
        for place in PLATFORM
        if place.store is Store.LAKE and place.name == table and place.fate is Fate.DELETED
    ]


def _key(stream: Stream) -> str:
    return "id" if stream.is_change_stream else "_event_id"


def _query(stream: Stream, table: sql.Identifier, fingerprint: sql.Composable) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("({0} IS NULL OR {0}::text <> ALL(%(erased)s))").format(sql.Identifier(person))
        for person in _people_of(stream.table)
    ]
    return sql.SQL("SELECT {}::text AS key, {} AS fingerprint FROM {} WHERE {}").format(
        sql.Identifier(_key(stream)), fingerprint, table, sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
    )


def _mirror(settings: Settings, stream: Stream, fingerprint: sql.Composable, erased: list[str]) -> _Database:
    query = _query(stream, sql.Identifier("raw", stream.table), fingerprint)
    if stream.is_change_stream:
        query = sql.SQL("{} AND NOT _deleted").format(query)
    return _Database(settings.warehouse_url, query, erased)


def _content(columns: Sequence[Column]) -> sql.Composed:
    """Return a fingerprint of what a row holds, the same in PostgreSQL as in the mirror."""
    texts = [
        sql.SQL("to_jsonb({})::text" if column.type is ColumnType.JSON else "{}::text").format(
            sql.Identifier(column.name)
        )
        for column in columns
    ]
    return sql.SQL("('x' || left(md5(ROW({})::text), {}))::bit({})::bigint").format(
        sql.SQL(", ").join(texts), sql.Literal(_DIGITS), sql.Literal(4 * _DIGITS)
    )


def _live(settings: Settings, stream: Stream, erased: list[str]) -> pl.LazyFrame:
    """Return the newest event of each row that still exists: ``key`` and ``_event_id``."""
    people = _people_of(stream.table)
    gone = pl.lit(value=False)
    for person in people:
        gone = gone | pl.col(person).is_in(erased).fill_null(value=False)
    events = scan_events(settings, stream.table).select(
        pl.col(_key(stream)).cast(pl.String).alias("key"), "_event_id", "_op", gone=gone
    )
    newest = events.group_by("key").agg(pl.col("_op", "gone").sort_by("_event_id").last(), pl.col("_event_id").max())
    return newest.filter(pl.col("_op") != "d", ~pl.col("gone"))
