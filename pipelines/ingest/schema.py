"""Lake schemas of the streams, from their contracts."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.contracts.tables import ColumnType
from neighborconnect.contracts.topics import STREAMS, Stream

UTC_MICROSECONDS: Final = pl.Datetime("us", "UTC")

POLARS_TYPE: Final[dict[ColumnType, pl.DataType]] = {
    ColumnType.UUID: pl.String(),
    ColumnType.TEXT: pl.String(),
    ColumnType.INTEGER: pl.Int32(),
    ColumnType.BIGINT: pl.Int64(),
    ColumnType.DECIMAL: pl.Decimal(18, 4),
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.TIMESTAMP: UTC_MICROSECONDS,
    ColumnType.JSON: pl.String(),
    ColumnType.FLOAT: pl.Float64(),
}

UNKNOWN: Final = "_unknown"
"""Lake column with the values of a newer contract, which this version does not know: a JSON object or null."""

LAKE_METADATA: Final[dict[str, pl.DataType]] = {
    "_event_id": pl.Int64(),
    "_op": pl.String(),
    "_committed_at": UTC_MICROSECONDS,
    "_partition": pl.Int32(),
    "_offset": pl.Int64(),
    "_date": pl.Date(),
    UNKNOWN: pl.String(),
}

EVENT_TIME: Final[dict[str, str]] = {stream.table: stream.event_time for stream in STREAMS}
"""Column of the event time by table; ``_committed_at`` is the capture time."""


def value_schema(stream: Stream) -> dict[str, pl.DataType]:
    """Return the columns of the contract of ``stream`` with their Polars types."""
    return {column.name: POLARS_TYPE[column.type] for column in stream.columns}


def lake_schema(stream: Stream) -> dict[str, pl.DataType]:
    """Return the columns of the lake table of ``stream``: those of the contract, then the metadata."""
    return value_schema(stream) | LAKE_METADATA
