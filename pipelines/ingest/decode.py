"""Conversion of Kafka records to typed rows, and rejection of invalid records with a reason.

Conversion is strict: a number in a text, a time without a time zone or a malformed UUID makes a record invalid. Values
that the contract does not define come from a newer version of it and are retained in ``_unknown``, except those that
are not published any more; columns that the message does not contain are null.
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
from pipelines.ingest.schema import POLARS_TYPE, UNKNOWN, UTC_MICROSECONDS, lake_schema

_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_ISO_TIME: Final = "%Y-%m-%dT%H:%M:%S%.f%:z"
_NUMBERS: Final = frozenset({ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.FLOAT, ColumnType.DECIMAL})
_OPERATIONS: Final = frozenset("cudr")
_MAX_REASON_LENGTH: Final = 300
_CONVERSION_ERRORS = (ValueError, TypeError, KeyError, OverflowError, pl.exceptions.PolarsError)


class KafkaRecord(NamedTuple):
    """A consumed record; ``timestamp`` is in milliseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """A record that cannot be converted to a row."""

    record: KafkaRecord
    reason: str


class _Row(NamedTuple):
    record: KafkaRecord
    values: dict[str, Any]
    event_id: int
    op: str
    committed_ms: int


def decode(stream: Stream, records: Sequence[KafkaRecord]) -> tuple[pl.DataFrame, list[InvalidRecord]]:
    """Convert records to a frame with the columns of ``lake_schema(stream)``.

    Tombstones (records without a value) are skipped.

    Returns:
        The frame, with one row per valid record in the order of the records, and the invalid records.
    """
    rows: list[_Row] = []
    invalid: list[InvalidRecord] = []
    for record in records:
        if record.value is None:
            continue
        try:
            rows.append(_parse(stream, record, record.value))
        except _CONVERSION_ERRORS as error:
            invalid.append(InvalidRecord(record, _reason(error)))
    try:
        return _frame(stream, rows), invalid
    except _CONVERSION_ERRORS:
        reasons = _invalid_rows(stream, rows)
    invalid.extend(InvalidRecord(rows[index].record, reason) for index, reason in reasons.items())
    return _frame(stream, [row for index, row in enumerate(rows) if index not in reasons]), invalid


def _parse(stream: Stream, record: KafkaRecord, value: bytes) -> _Row:
    event = orjson.loads(value)
    if not stream.is_change_stream:
        return _Row(record, event, _event_id(event["event_id"]), "c", record.timestamp)
    op, source = event["op"], event["source"]
    if op not in _OPERATIONS:
        raise ValueError(f"op {op!r} is not one of c, u, d, r")
    image = event["before" if op == "d" else "after"]
    if not isinstance(image, dict):
        raise TypeError(f"a change with op {op!r} has no row image")
    return _Row(record, image, _event_id(source["lsn"]), op, source["ts_ms"])


def _event_id(value: Any) -> int:
    if type(value) is not int or not 0 < value < 2**63:
        raise ValueError(f"a {type(value).__name__} is not a valid event id")
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
            pl.Series(UNKNOWN, _unknown_values(stream, rows), dtype=pl.String()),
        ],
        schema=lake_schema(stream),
    )


def _unknown_values(stream: Stream, rows: Sequence[_Row]) -> list[str | None]:
    known = {column.name for column in stream.columns} | stream.withheld
    if not stream.is_change_stream:
        known.add("event_id")
    unknown = (row.values.keys() - known for row in rows)
    return [
        orjson.dumps({name: row.values[name] for name in sorted(names)}).decode() if names else None
        for row, names in zip(rows, unknown, strict=True)
    ]


def decode_unknown(stream: Stream, unknown: pl.Series, *, columns: Sequence[str]) -> pl.DataFrame:
    """Convert retained values of a newer contract to the columns that this version of it knows now.

    Args:
        stream: the stream of the rows.
        unknown: values of ``_unknown``.
        columns: the columns that are new.

    Returns:
        The columns, one row per value; a value of the wrong type is null.
    """
    values = [orjson.loads(text) if text else {} for text in unknown]
    by_name = {column.name: column for column in stream.columns}
    return pl.DataFrame(
        [
            _column(
                by_name[name],
                [
                    value if value is None or _IS_VALID[by_name[name].type](value) else None
                    for value in (row.get(name) for row in values)
                ],
            )
            for name in columns
        ]
    )


def _utc(milliseconds: int) -> datetime:
    if type(milliseconds) is not int:
        raise TypeError("the capture time is not an integer of milliseconds")
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _column(column: Column, values: list[Any]) -> pl.Series:
    """Convert one column; raise one of ``_CONVERSION_ERRORS`` if a value is invalid. ``_IS_VALID`` checks one value."""
    if column.type is ColumnType.JSON:
        texts = [None if value is None else orjson.dumps(value).decode() for value in values]
        return pl.Series(column.name, texts, dtype=pl.String())
    if column.type in _NUMBERS and bool in set(map(type, values)):
        raise TypeError("a boolean is not a number")
    if column.type is ColumnType.DECIMAL:
        # JSON numbers are read as floats, whose shortest decimal form is the number that PostgreSQL wrote.
        return pl.Series(column.name, values, dtype=pl.Float64, strict=True).cast(POLARS_TYPE[column.type])
    if column.type is not ColumnType.TIMESTAMP:
        series = pl.Series(column.name, values, dtype=POLARS_TYPE[column.type], strict=True)
        if column.type is ColumnType.UUID and not series.str.contains(_UUID).all():
            raise ValueError("not a lower-case UUID")
        if column.type is ColumnType.TEXT and series.str.contains("\0", literal=True).any():
            raise ValueError("the text contains a NUL character")
        return series
    texts_of_times = pl.Series(column.name, values, dtype=pl.String(), strict=True)
    return texts_of_times.str.replace("Z$", "+00:00").str.to_datetime(_ISO_TIME, time_unit="us", strict=True)


def _invalid_rows(stream: Stream, rows: Sequence[_Row]) -> dict[int, str]:
    """Return index and reason of the rows that make ``_frame`` fail, checked value by value."""
    reasons = {index: reason for index, row in enumerate(rows) if (reason := _invalid_value(stream, row))}
    if not reasons:
        # Values that only the conversion itself rejects are rare, so converting row by row is affordable.
        reasons = {index: reason for index, row in enumerate(rows) if (reason := _conversion_error(stream, row))}
    return reasons


def _invalid_value(stream: Stream, row: _Row) -> str | None:
    for column in stream.columns:
        value = row.values.get(column.name)
        if value is None:
            if column is stream.columns[0]:
                return f"{column.name}: null"
        elif not _IS_VALID[column.type](value):
            # Reasons are logged, and the value may be personal data.
            return f"{column.name}: a {type(value).__name__} is not a valid {column.type.value}"
    return None if type(row.committed_ms) is int else "the capture time is not an integer of milliseconds"


def _conversion_error(stream: Stream, row: _Row) -> str | None:
    try:
        _frame(stream, [row])
    except _CONVERSION_ERRORS as error:
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
_IS_VALID: Final[dict[ColumnType, Callable[[Any], bool]]] = {
    ColumnType.UUID: lambda value: isinstance(value, str) and re.fullmatch(_UUID, value) is not None,
    ColumnType.TEXT: lambda value: isinstance(value, str) and "\0" not in value,
    ColumnType.INTEGER: lambda value: type(value) is int and -(2**31) <= value < 2**31,
    ColumnType.BIGINT: lambda value: type(value) is int and -(2**63) <= value < 2**63,
    ColumnType.DECIMAL: lambda value: type(value) in {int, float},
    ColumnType.BOOLEAN: lambda value: isinstance(value, bool),
    ColumnType.FLOAT: lambda value: type(value) in {int, float},
    ColumnType.TIMESTAMP: _is_time,
    ColumnType.JSON: lambda _value: True,
}


def _reason(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}"[:_MAX_REASON_LENGTH]
