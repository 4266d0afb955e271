"""The feature views: what each promises about meaning, age and freshness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from feature_repo.entities import ENTITY_BY_KEY
from feature_repo.feast_import import Array, FeatureView, Field, Float32, Int64, PostgreSQLSource, PushSource, String
from feature_repo.schemas import EVENT_TIMESTAMP, RECENT_WINDOW, VIEW_SCHEMAS, FeatureType
from neighborconnect.contracts import features as names

OWNER = "features@neighborconnect.example"
FRESHNESS_TAG = "freshness_target_seconds"

# Feast's two families of types share no base.
_FEAST_TYPE: dict[FeatureType, Any] = {
    FeatureType.INT64: Int64,
    FeatureType.FLOAT32: Float32,
    FeatureType.FLOAT32_LIST: Array(Float32),
    FeatureType.STRING_LIST: Array(String),
}


@dataclass(frozen=True, slots=True)
class ViewPromise:
    """What a view promises beside its columns.

    Attributes:
        ttl: the age at which a value no longer counts; None where a value never grows old.
        freshness: the age that the newest row should stay below while the platform runs.
        push_source: name of the push source, where rows come from a stream or a trainer.
    """

    description: str
    ttl: timedelta | None
    freshness: timedelta
    push_source: str | None = None


PROMISES = {
    names.USER_ACTIVITY: ViewPromise(
        "How often a neighbour did what in the hour, day, week and four weeks up to the time of the row.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.USER_RECENT_ACTIVITY: ViewPromise(
        "A neighbour's last hour: counts, and the newest posts and connectors they engaged with, newest first. "
        "A row older than its TTL stands for an empty hour.",
        ttl=RECENT_WINDOW,
        freshness=timedelta(seconds=1),
        push_source=names.RECENT_ACTIVITY_PUSH,
    ),
    names.USER_AFFINITY: ViewPromise(
        "The categories a neighbour cares for most, heaviest first, with weights that sum to one.",
        ttl=timedelta(days=14),
        freshness=timedelta(hours=2),
    ),
    names.USER_VECTORS: ViewPromise(
        "A neighbour in the space of one model version: collaborative factors and content embedding.",
        ttl=timedelta(days=14),
        freshness=timedelta(days=2),
        push_source=names.USER_VECTORS_PUSH,
    ),
    names.CONNECTOR_STATS: ViewPromise(
        "How a connector is doing: views, clicks, visits, joins, posts, likes, comments, members and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.POST_STATS: ViewPromise(
        "How a post is doing: views, clicks, likes, comments, smoothed click-through and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
}


def _build_view(name: str) -> FeatureView:
    schema, promise = VIEW_SCHEMAS[name], PROMISES[name]
    history = PostgreSQLSource(name=f"{name}_history", table=schema.table, timestamp_field=EVENT_TIMESTAMP)
    source = PushSource(name=promise.push_source, batch_source=history) if promise.push_source else history
    return FeatureView(
        name=name,
        entities=[ENTITY_BY_KEY[key] for key in schema.keys],
        ttl=promise.ttl,
        schema=[
            *(Field(name=key, dtype=String) for key in schema.keys),
            *(Field(name=feature, dtype=_FEAST_TYPE[kind]) for feature, kind in schema.features.items()),
        ],
        source=source,
        online=True,
        description=promise.description,
        owner=OWNER,
        tags={FRESHNESS_TAG: str(int(promise.freshness.total_seconds()))},
    )


VIEWS = {name: _build_view(name) for name in VIEW_SCHEMAS}
