"""Measurements behind the checks on feature views: values out of range, and drift between the two stores."""

from __future__ import annotations

import math
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS, ViewSchema
from feature_repo.store import open_store
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings
from pipelines.quality.value_rules import out_of_range_conditions

SAMPLE_SIZE = 100
_TOLERANCE = 1e-4


def count_out_of_range(settings: Settings, *, view: str) -> dict[str, int]:
    """Count, by feature, the offline rows with a value that no history can produce; omit zeros."""
    schema = VIEW_SCHEMAS[view]
    conditions = dict(out_of_range_conditions(schema))
    counts = sql.SQL(", ").join(sql.SQL("count(*) FILTER (WHERE {})").format(rule) for rule in conditions.values())
    query = sql.SQL("SELECT {} FROM {}").format(counts, sql.Identifier(OFFLINE_SCHEMA, schema.name))
    with psycopg.connect(settings.feast_database_url) as connection:
        row = connection.execute(query).fetchone() or ()
    return {feature: count for feature, count in zip(conditions, row, strict=True) if count}


def compare_online_with_offline(
    settings: Settings, *, view: str, sample_size: int = SAMPLE_SIZE
) -> tuple[int, list[str]]:
    """Read up to ``sample_size`` entities from both stores; return their number and the keys whose values differ."""
    schema = VIEW_SCHEMAS[view]
    rows = _newest_rows(settings, schema=schema, sample_size=sample_size)
    if not rows:
        return 0, []
    with open_store(settings) as store:
        online = store.get_online_features(
            features=[f"{view}:{feature}" for feature in schema.features],
            entity_rows=[{key: row[key] for key in schema.keys} for row in rows],
        ).to_dict()
    differing = [
        "/".join(row[key] for key in schema.keys)
        for position, row in enumerate(rows)
        if not all(_is_close(row[feature], online[feature][position]) for feature in schema.features)
    ]
    return len(rows), differing


def _newest_rows(settings: Settings, *, schema: ViewSchema, sample_size: int) -> list[dict[str, Any]]:
    """Return the newest row of sampled entities from the last day; older rows may have expired in the online store."""
    keys = sql.SQL(", ").join(map(sql.Identifier, schema.keys))
    time = sql.Identifier(EVENT_TIMESTAMP)
    query = sql.SQL(
        "SELECT * FROM (SELECT DISTINCT ON ({keys}) * FROM {table} WHERE {time} > now() - interval '1 day' "
        "ORDER BY {keys}, {time} DESC) AS newest ORDER BY md5(concat({keys})) LIMIT %s"
    ).format(keys=keys, table=sql.Identifier(OFFLINE_SCHEMA, schema.name), time=time)
    with psycopg.connect(settings.feast_database_url, row_factory=dict_row) as connection:
        return connection.execute(query, (sample_size,)).fetchall()


def _is_close(offline: Any, online: Any) -> bool:
    if isinstance(offline, list):
        return isinstance(online, list) and len(offline) == len(online) and all(map(_is_close, offline, online))
    if isinstance(offline, float) and isinstance(online, int | float):
        return math.isclose(offline, online, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(offline == online)
