"""How a stream's contract becomes a lake schema and a warehouse table."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.contracts.tables import ColumnType
from neighborconnect.contracts.topics import Stream

UTC_MICROSECONDS: Final = pl.Datetime("us", "UTC")

POLARS_TYPE: Final[dict[ColumnType, pl.DataType]] = {
    ColumnType.UUID: pl.String(),
    ColumnType.TEXT: pl.String(),
    ColumnType.INTEGER: pl.Int32(),
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.TIMESTAMP: UTC_MICROSECONDS,
    ColumnType.JSON: pl.String(),
    ColumnType.FLOAT: pl.Float64(),
}

LAKE_METADATA: Final[dict[str, pl.DataType]] = {
    "_event_id": pl.Int64(),
    "_op": pl.String(),
    "_committed_at": UTC_MICROSECONDS,
    "_partition": pl.Int32(),
    "_offset": pl.Int64(),
    "_date": pl.Date(),
}

EVENT_TIME: Final[dict[str, str]] = {
    "users": "created_at",
    "connectors": "created_at",
    "connector_members": "joined_at",
    "posts": "created_at",
    "comments": "created_at",
    "post_likes": "created_at",
    "follows": "created_at",
    "erasures": "requested_at",
    "moderation_decisions": "created_at",
    "interactions": "occurred_at",
    "predictions": "predicted_at",
    "judgements": "judged_at",
    "exposures": "exposed_at",
}
"""Which column of a table says when its event happened, as opposed to ``_committed_at``."""


def value_schema(stream: Stream) -> dict[str, pl.DataType]:
    """Return the contract's columns of ``stream`` with the types they have in a frame."""
    return {column.name: POLARS_TYPE[column.type] for column in stream.columns}


def lake_schema(stream: Stream) -> dict[str, pl.DataType]:
    """Return the columns of the lake table of ``stream``: the contract's, then the metadata."""
    return value_schema(stream) | LAKE_METADATA
