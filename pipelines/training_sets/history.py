"""The history of a feature view as a local Parquet file, limited to the entities and the period of the labels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings
from pipelines.ingest.schema import UTC_MICROSECONDS
from pipelines.transforms.view_schema import frame_schema

_CHUNK_ROWS = 50_000
_TYPE_OF_TEXT = {FeatureType.FLOAT32_LIST: pl.List(pl.Float32), FeatureType.STRING_LIST: pl.List(pl.String)}


def history_begins(settings: Settings, schemas: tuple[ViewSchema, ...]) -> datetime | None:
    """Return the time of the oldest row of any of the views; None if there is none."""
    with psycopg.connect(settings.feast_database_url) as connection:
        times = [
            row[0]
            for schema in schemas
            for row in connection.execute(
                sql.SQL("SELECT min({}) FROM {}").format(
                    sql.Identifier(EVENT_TIMESTAMP), sql.Identifier(OFFLINE_SCHEMA, schema.name)
                )
            )
            if row[0] is not None
        ]
    return min(times).astimezone(UTC) if times else None


def export_history(
    settings: Settings,
    *,
    schema: ViewSchema,
    entities: pl.DataFrame,
    since: datetime,
    until: datetime,
    path: Path,
    on_bytes: Callable[[int], None],
) -> int:
    """Write the rows of a view in ``[since, until]`` to ``path``.

    Args:
        settings: address of the offline store.
        schema: schema of the view.
        entities: the keys to export, one column per key.
        since: start of the period, inclusive, with a time zone.
        until: end of the period, inclusive, with a time zone.
        path: Parquet file, replaced when it is complete.
        on_bytes: called with the number of bytes received so far.

    Returns:
        The number of rows.
    """
    raw, part = path.with_suffix(".csv"), path.with_suffix(".part")
    keys = sql.SQL(", ").join(map(sql.Identifier, schema.keys))
    columns = sql.SQL(", ").join(
        (
            *map(sql.Identifier, schema.keys),
            sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(sql.Identifier(EVENT_TIMESTAMP)),
            *(_as_text(feature, kind) for feature, kind in schema.features.items()),
        )
    )
    query = sql.SQL(
        "COPY (SELECT {columns} FROM {table} JOIN requested USING ({keys}) WHERE {time} BETWEEN {since} AND {until}) "
        "TO STDOUT (FORMAT csv)"
    ).format(
        columns=columns,
        table=sql.Identifier(OFFLINE_SCHEMA, schema.name),
        keys=keys,
        time=sql.Identifier(EVENT_TIMESTAMP),
        since=sql.Literal(since),
        until=sql.Literal(until),
    )
    received = 0
    with psycopg.connect(settings.feast_database_url) as connection, raw.open("wb") as file:
        _create_requested(connection, schema=schema, entities=entities)
        with connection.cursor().copy(query) as copy:
            for block in copy:
                received += file.write(block)
                on_bytes(received)
    _read_csv(raw, schema).sink_parquet(part)
    raw.unlink()
    part.replace(path)
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _create_requested(connection: psycopg.Connection, *, schema: ViewSchema, entities: pl.DataFrame) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(key)) for key in schema.keys)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE requested ({})").format(columns))
    with connection.cursor().copy("COPY requested FROM STDIN (FORMAT csv)") as copy:
        for chunk in entities.select(schema.keys).unique().iter_slices(_CHUNK_ROWS):
            copy.write(chunk.write_csv(include_header=False, quote_style="always"))
    connection.execute("ANALYZE requested")


def _as_text(feature: str, kind: FeatureType) -> sql.Composable:
    column = sql.Identifier(feature)
    return sql.SQL("array_to_json({})").format(column) if kind in _TYPE_OF_TEXT else column


def _read_csv(path: Path, schema: ViewSchema) -> pl.LazyFrame:
    target = frame_schema(schema)
    lists = {name: _TYPE_OF_TEXT[kind] for name, kind in schema.features.items() if kind in _TYPE_OF_TEXT}
    stored = target | dict.fromkeys(lists, pl.String()) | {EVENT_TIMESTAMP: pl.Int64()}
    if path.stat().st_size == 0:
        return pl.LazyFrame(schema=target)
    return (
        pl.scan_csv(path, has_header=False, schema=stored)
        .with_columns(pl.from_epoch(EVENT_TIMESTAMP, "us").dt.replace_time_zone("UTC").cast(UTC_MICROSECONDS))
        .with_columns(pl.col(name).str.json_decode(kind) for name, kind in lists.items())
    )


def period_of(labels: pl.DataFrame, *, ttl: timedelta | None, begins: datetime) -> tuple[datetime, datetime]:
    """Return the period of the rows that the labels can be joined with."""
    times = labels[EVENT_TIMESTAMP]
    oldest, newest = times.min(), times.max()
    if not isinstance(oldest, datetime) or not isinstance(newest, datetime):
        raise TypeError("labels without times")
    return (begins if ttl is None else oldest - ttl), newest
