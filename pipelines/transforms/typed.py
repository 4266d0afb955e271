"""From a frame with the right columns to one that is exactly a feature view's offline table."""

from __future__ import annotations

import polars as pl

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from pipelines.transforms.events import UTC_MICROSECONDS

_POLARS_TYPE: dict[FeatureType, pl.DataType] = {
    FeatureType.INT64: pl.Int64(),
    FeatureType.FLOAT32: pl.Float32(),
    FeatureType.FLOAT32_LIST: pl.List(pl.Float32()),
    FeatureType.STRING_LIST: pl.List(pl.String()),
}


def frame_schema(schema: ViewSchema) -> dict[str, pl.DataType]:
    """Return the Polars schema of a view: its keys, ``event_timestamp`` in UTC and its features, in this order."""
    keys: dict[str, pl.DataType] = dict.fromkeys(schema.keys, pl.String())
    features = {name: _POLARS_TYPE[kind] for name, kind in schema.features.items()}
    return keys | {EVENT_TIMESTAMP: UTC_MICROSECONDS} | features


def as_view(frame: pl.LazyFrame, *, schema: ViewSchema) -> pl.LazyFrame:
    """Select and cast the columns of ``schema``."""
    return frame.select(pl.col(name).cast(kind) for name, kind in frame_schema(schema).items())
