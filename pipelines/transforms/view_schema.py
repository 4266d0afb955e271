"""Polars schemas of the feature views: the contract that the frame of each transform is checked against."""

from __future__ import annotations

import polars as pl

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from pipelines.ingest.schema import UTC_MICROSECONDS

_POLARS_TYPE: dict[FeatureType, pl.DataType] = {
    FeatureType.INT64: pl.Int64(),
    FeatureType.FLOAT32: pl.Float32(),
    FeatureType.FLOAT32_LIST: pl.List(pl.Float32()),
    FeatureType.STRING_LIST: pl.List(pl.String()),
}


class FrameContractError(TypeError):
    """A frame of features is not what its view declares; the message names the view and the column."""


def frame_schema(schema: ViewSchema) -> dict[str, pl.DataType]:
    """Return the Polars schema of a view's offline table: keys, ``event_timestamp`` in UTC, features."""
    keys: dict[str, pl.DataType] = dict.fromkeys(schema.keys, pl.String())
    features = {name: _POLARS_TYPE[kind] for name, kind in schema.features.items()}
    return keys | {EVENT_TIMESTAMP: UTC_MICROSECONDS} | features


def as_view(frame: pl.LazyFrame, *, schema: ViewSchema) -> pl.LazyFrame:
    """Select the columns of a view and convert integers and floats to the width of its offline table.

    Columns that begin with an underscore are intermediate results of the transform and are left out.

    Raises:
        FrameContractError: if a column is missing, unknown or of another type.
    """
    expected, actual = frame_schema(schema), frame.collect_schema()
    for name, kind in expected.items():
        if name not in actual:
            raise FrameContractError(f"View {schema.name}: the column {name} is missing.")
        if not _is_compatible(actual[name], kind):
            raise FrameContractError(f"View {schema.name}: the column {name} is {actual[name]}, not {kind}.")
    if unknown := [name for name in actual if name not in expected and not name.startswith("_")]:
        raise FrameContractError(f"View {schema.name}: the column {unknown[0]} is unknown.")
    return frame.select(pl.col(name).cast(kind) for name, kind in expected.items())


def require_complete(rows: pl.DataFrame, *, schema: ViewSchema) -> pl.DataFrame:
    """Return the rows of a view if no key or time is null.

    Raises:
        FrameContractError: if a value is null.
    """
    for name in (*schema.keys, EVENT_TIMESTAMP):
        if count := rows[name].null_count():
            raise FrameContractError(f"View {schema.name}: the column {name} is null in {count} of {rows.height} rows.")
    return rows


def _is_compatible(actual: pl.DataType, expected: pl.DataType) -> bool:
    """Return whether a column of type ``actual`` becomes one of ``expected`` without a change of its meaning."""
    if isinstance(expected, pl.List):
        return isinstance(actual, pl.List) and _is_compatible(_inner(actual), _inner(expected))
    if expected.is_integer():
        return actual.is_integer()
    if expected.is_float():
        return actual.is_numeric()
    return actual == expected


def _inner(kind: pl.List) -> pl.DataType:
    return kind.inner if isinstance(kind.inner, pl.DataType) else kind.inner()
