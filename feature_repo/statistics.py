"""Statistics of the features, from their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from neighborconnect.contracts.features import OFFLINE_SCHEMA

_NUMBERS = {FeatureType.INT64, FeatureType.FLOAT32}


@dataclass(frozen=True, slots=True)
class ViewStatistics:
    """Rows of a view's history and the time of its newest row; None without rows."""

    rows: int
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Distribution of a feature over its history; of a list, its length is measured. None without values."""

    null_share: float | None
    minimum: float | None
    mean: float | None
    maximum: float | None


def read_view(connection: psycopg.Connection, schema: ViewSchema) -> ViewStatistics:
    """Return the statistics of a view's history."""
    statement = sql.SQL("SELECT count(*), max({}) FROM {}").format(sql.Identifier(EVENT_TIMESTAMP), _table(schema))
    row = connection.execute(statement).fetchone()
    return ViewStatistics(*(row or (0, None)))


def read_features(connection: psycopg.Connection, schema: ViewSchema) -> dict[str, FeatureStatistics]:
    """Return the statistics of each feature, in one pass over the history."""
    measures = []
    for name, kind in schema.features.items():
        column = sql.Identifier(name)
        value = column if kind in _NUMBERS else sql.SQL("cardinality({})").format(column)
        measures.append(
            sql.SQL("avg(({0} IS NULL)::int)::float8, min({1})::float8, avg({1})::float8, max({1})::float8").format(
                column, value
            )
        )
    statement = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(measures), _table(schema))
    row = connection.execute(statement).fetchone() or ()
    return {name: FeatureStatistics(*row[4 * n : 4 * n + 4]) for n, name in enumerate(schema.features)}


def _table(schema: ViewSchema) -> sql.Identifier:
    return sql.Identifier(OFFLINE_SCHEMA, schema.name)
