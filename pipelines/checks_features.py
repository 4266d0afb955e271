"""What the checks on feature views measure: impossible values in the history, and drift between the two stores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS, FeatureType, ViewSchema
from neighborconnect.contracts import features as names
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings

SAMPLE = 100
_TOLERANCE = 1e-4


def impossible_rows(settings: Settings, *, view: str) -> dict[str, int]:
    """Count, by feature, the offline rows whose value no history can give."""
    schema = VIEW_SCHEMAS[view]
    conditions = dict(_impossible(schema))
    counts = sql.SQL(", ").join(sql.SQL("count(*) FILTER (WHERE {})").format(rule) for rule in conditions.values())
    query = sql.SQL("SELECT {} FROM {}").format(counts, sql.Identifier(OFFLINE_SCHEMA, schema.name))
    with psycopg.connect(settings.feast_database_url) as connection:
        found = connection.execute(query).fetchone() or ()
    return {feature: count for feature, count in zip(conditions, found, strict=True) if count}


def _impossible(schema: ViewSchema) -> Iterator[tuple[str, sql.Composable]]:
    for feature, kind in schema.features.items():
        column = sql.Identifier(feature)
        if kind is FeatureType.INT64 or feature.startswith("age_"):
            yield feature, sql.SQL("{} < 0").format(column)
        elif feature == "click_through":
            yield feature, sql.SQL("{} NOT BETWEEN 0 AND 1").format(column)
    if schema.name == names.USER_AFFINITY:
        yield (
            "weights",
            sql.SQL(
                "cardinality(weights) <> cardinality(categories) OR cardinality(weights) > 0 AND "
                "abs((SELECT sum(weight) FROM unnest(weights) AS weight) - 1) > 0.001"
            ),
        )


def online_differences(settings: Settings, *, view: str, sample: int = SAMPLE) -> tuple[int, list[str]]:
    """Read up to ``sample`` keys from both stores; return how many were read, and the keys that differ."""
    from pipelines.stores import feature_store

    schema = VIEW_SCHEMAS[view]
    rows = _newest_rows(settings, schema=schema, sample=sample)
    if not rows:
        return 0, []
    with feature_store(settings) as store:
        answer = store.get_online_features(
            features=[f"{view}:{feature}" for feature in schema.features],
            entity_rows=[{key: row[key] for key in schema.keys} for row in rows],
        ).to_dict()
    differing = [
        "/".join(row[key] for key in schema.keys)
        for position, row in enumerate(rows)
        if not all(_same(row[feature], answer[feature][position]) for feature in schema.features)
    ]
    return len(rows), differing


def _newest_rows(settings: Settings, *, schema: ViewSchema, sample: int) -> list[dict[str, Any]]:
    """Take the newest row of some keys, of the last day: older ones may have left the online store by their TTL."""
    keys = sql.SQL(", ").join(map(sql.Identifier, schema.keys))
    time = sql.Identifier(EVENT_TIMESTAMP)
    query = sql.SQL(
        "SELECT * FROM (SELECT DISTINCT ON ({keys}) * FROM {table} WHERE {time} > now() - interval '1 day' "
        "ORDER BY {keys}, {time} DESC) AS newest ORDER BY md5(concat({keys})) LIMIT %s"
    ).format(keys=keys, table=sql.Identifier(OFFLINE_SCHEMA, schema.name), time=time)
    with psycopg.connect(settings.feast_database_url, row_factory=dict_row) as connection:
        return connection.execute(query, (sample,)).fetchall()


def _same(offline: Any, online: Any) -> bool:
    if isinstance(offline, list):
        return isinstance(online, list) and len(offline) == len(online) and all(map(_same, offline, online))
    if isinstance(offline, float) and isinstance(online, int | float):
        return math.isclose(offline, online, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return bool(offline == online)
