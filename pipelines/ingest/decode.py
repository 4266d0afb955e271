"""Kafka records to typed rows, and the records that cannot be rows with the reason why.

Conversion is strict: a number in a text, a time without a zone or a broken UUID makes a record unfit. A column that
the contract does not know is left out; one that the message does not have is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
import polars as pl

from neighborconnect.contracts.tables import Column, ColumnType
from neighborconnect.contracts.topics import Stream
from pipelines.ingest.schema import POLARS_TYPE, UTC_MICROSECONDS, lake_schema

_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ISO_TIME: Final = "%Y-%m-%dT%H:%M:%S%.f%:z"
_OPERATIONS: Final = frozenset("cudr")
_LONGEST_REASON: Final = 300
_UNFIT = (ValueError, TypeError, KeyError, OverflowError, pl.exceptions.PolarsError)


class KafkaRecord(NamedTuple):
    """What a sink needs of a consumed record; ``timestamp`` is in milliseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A record that no row can be made of."""

    record: KafkaRecord
    reason: str


class _Row(NamedTuple):
    record: KafkaRecord
    values: dict[str, Any]
    event_id: int
    op: str
    committed_ms: int


def decode(stream: Stream, records: Sequence[KafkaRecord]) -> tuple[pl.DataFrame, list[Unfit]]:
    """Return a frame with the columns of ``lake_schema(stream)``, a row for each fit record in order, and the rest.

    Tombstones (records without a value) are neither.
    """
    rows: list[_Row] = []
    unfit: list[Unfit] = []
    for record in records:
        if record.value is None:
            continue
        try:
            rows.append(_parse(stream, record, record.value))
        except _UNFIT as error:
            unfit.append(Unfit(record, _reason(error)))
    try:
        return _frame(stream, rows), unfit
    except _UNFIT:
        reasons = _unfit_rows(stream, rows)
    unfit.extend(Unfit(rows[index].record, reason) for index, reason in reasons.items())
    return _frame(stream, [row for index, row in enumerate(rows) if index not in reasons]), unfit


def _parse(stream: Stream, record: KafkaRecord, value: bytes) -> _Row:
    event = orjson.loads(value)
    if not stream.is_change_stream:
        return _Row(record, event, _event_id(event["event_id"]), "c", record.timestamp)
    op, source = event["op"], event["source"]
    if op not in _OPERATIONS:
        raise ValueError(f"op {op!r} is none of c, u, d, r")
    image = event["before" if op == "d" else "after"]
    if not isinstance(image, dict):
        raise TypeError(f"a change with op {op!r} has no image")
    return _Row(record, image, _event_id(source["lsn"]), op, source["ts_ms"])


def _event_id(value: Any) -> int:
    if type(value) is not int or not 0 < value < 2**63:
        raise ValueError(f"this {type(value).__name__} is not an event id")
    return value


def _frame(stream: Stream, rows: Sequence[_Row]) -> pl.DataFrame:
    columns = [_column(column, [row.values.get(column.name) for row in rows]) for column in stream.columns]
    if columns[0].null_count():
        raise ValueError(f"{stream.columns[0].name} is null")
    committed = pl.Series("_committed_at", [_utc(row.committed_ms) for row in rows], dtype=UTC_MICROSECONDS)
    return pl.DataFrame(
        [
            *columns,
            pl.Series("_event_id", [row.event_id for row in rows], dtype=pl.Int64()),
            pl.Series("_op", [row.op for row in rows], dtype=pl.String()),
            committed,
            pl.Series("_partition", [row.record.partition for row in rows], dtype=pl.Int32()),
            pl.Series("_offset", [row.record.offset for row in rows], dtype=pl.Int64()),
            committed.dt.date().alias("_date"),
        ],
        schema=lake_schema(stream),
    )


def _utc(milliseconds: int) -> datetime:
    if type(milliseconds) is not int:
        raise TypeError("the time of capture is not in milliseconds")
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _column(column: Column, values: list[Any]) -> pl.Series:
    """Convert one column, or raise one of ``_UNFIT`` if any value does not fit; ``_FITS`` says the same of one."""
    if column.type is ColumnType.JSON:
        texts = [None if value is None else orjson.dumps(value).decode() for value in values]
        return pl.Series(column.name, texts, dtype=pl.String())
    if column.type in {ColumnType.INTEGER, ColumnType.FLOAT} and bool in set(map(type, values)):
        raise TypeError("a truth value is not a number")
    if column.type is not ColumnType.TIMESTAMP:
        series = pl.Series(column.name, values, dtype=POLARS_TYPE[column.type], strict=True)
        if column.type is ColumnType.UUID and not series.str.contains(_UUID).all():
            raise ValueError("not a UUID in lower case")
        if column.type is ColumnType.TEXT and series.str.contains("\0", literal=True).any():
            raise ValueError("text with a NUL character")
        return series
    texts_of_time = pl.Series(column.name, values, dtype=pl.String(), strict=True)
    return texts_of_time.str.replace("Z$", "+00:00").str.to_datetime(_ISO_TIME, time_unit="us", strict=True)


def _unfit_rows(stream: Stream, rows: Sequence[_Row]) -> dict[int, str]:
    """Find the rows that make ``_frame`` fail: value by value, since a batch may have any number of them."""
    found = {index: fault for index, row in enumerate(rows) if (fault := _fault(stream, row))}
    if not found:
        # What only the frame itself refuses is rare enough to be tried row by row.
        found = {index: reason for index, row in enumerate(rows) if (reason := _refusal(stream, row))}
    return found


def _fault(stream: Stream, row: _Row) -> str | None:
    for column in stream.columns:
        value = row.values.get(column.name)
        if value is None:
            if column is stream.columns[0]:
                return f"{column.name}: null"
        elif not _FITS[column.type](value):
            # The value itself may be personal, and reasons are logged.
            return f"{column.name}: this {type(value).__name__} is not {column.type.value}"
    return None if type(row.committed_ms) is int else "the time of capture is not in milliseconds"


def _refusal(stream: Stream, row: _Row) -> str | None:
    try:
        _frame(stream, [row])
    except _UNFIT as error:
        return _reason(error)
    return None


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_TIME: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_FITS: Final[dict[ColumnType, Callable[[Any], bool]]] = {
    ColumnType.UUID: lambda value: isinstance(value, str) and re.fullmatch(_UUID, value) is not None,
    ColumnType.TEXT: lambda value: isinstance(value, str) and "\0" not in value,
    ColumnType.INTEGER: lambda value: type(value) is int and -(2**31) <= value < 2**31,
    ColumnType.BOOLEAN: lambda value: isinstance(value, bool),
    ColumnType.FLOAT: lambda value: type(value) in {int, float},
    ColumnType.TIMESTAMP: _is_time,
    ColumnType.JSON: lambda _value: True,
}


def _reason(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"[:_LONGEST_REASON]
