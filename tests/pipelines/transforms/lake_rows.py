"""Rows as the lake has them, for tests of what reads them."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

import polars as pl

from neighborconnect.contracts.topics import STREAM_BY_TABLE
from pipelines.ingest.schema import EVENT_TIME, lake_schema

_event_ids = count(1)


def change(table: str, *, op: str = "c", committed_at: datetime | None = None, **values: Any) -> dict[str, Any]:
    """One row of ``events/<table>``, captured when it happened unless ``committed_at`` says otherwise."""
    committed = committed_at or values[EVENT_TIME[table]]
    return values | {
        "_event_id": next(_event_ids),
        "_op": op,
        "_committed_at": committed,
        "_partition": 0,
        "_offset": 0,
        "_date": committed.date(),
    }


def lake_frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = lake_schema(STREAM_BY_TABLE[table])
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def lake_tables(**rows: list[dict[str, Any]]) -> dict[str, pl.LazyFrame]:
    """Every table that activity is read from, empty where it is not named."""
    tables = ("interactions", "post_likes", "comments", "connector_members", "posts", "connectors")
    return {table: lake_frame(table, rows.get(table, [])).lazy() for table in dict.fromkeys((*tables, *rows))}
