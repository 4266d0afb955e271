"""The feature views: what each promises about meaning, age and freshness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from feature_repo.descriptions import describe
from feature_repo.entities import ENTITY_BY_KEY
from feature_repo.purposes import ALL_PURPOSES, FeaturePurpose
from feature_repo.schemas import EVENT_TIMESTAMP, RECENT_WINDOW, USER_KEYS, VIEW_SCHEMAS, FeatureType
from feature_repo.vendor_patches import Array, FeatureView, Field, Float32, Int64, PostgreSQLSource, PushSource, String
from neighborconnect.contracts import features as names

OWNER = "features@neighborconnect.example"
FRESHNESS_TAG = "freshness_target_seconds"
PURPOSES_TAG = "purposes"
PERSONAL_TAG = "personal"
UNIT_TAG = "unit"

# Feast's two families of types share no base.
_FEAST_TYPE: dict[FeatureType, Any] = {
    FeatureType.INT64: Int64,
    FeatureType.FLOAT32: Float32,
    FeatureType.FLOAT32_LIST: Array(Float32),
    FeatureType.STRING_LIST: Array(String),
}


@dataclass(frozen=True, slots=True)
class FeatureViewSpec:
    """Guarantees of a view in addition to its columns.

    Attributes:
        ttl: the age at which a value no longer counts; None where a value never grows old.
        freshness: the age that the newest row should stay below while the platform runs.
        push_source: name of the push source, where rows come from a stream or a trainer.
        purposes: what models may use the view for.
        history_age: the age that a value in a training set can reach; None for views without daily history.
    """

    description: str
    ttl: timedelta | None
    freshness: timedelta
    push_source: str | None = None
    purposes: frozenset[FeaturePurpose] = ALL_PURPOSES
    history_age: timedelta | None = timedelta(days=1)


_PERSONALIZATION = frozenset({FeaturePurpose.RECOMMENDATION, FeaturePurpose.MATCHING})

FEATURE_VIEW_SPECS = {
    names.USER_ACTIVITY: FeatureViewSpec(
        "How often a neighbour did what in the hour, day, week and four weeks up to the time of the row.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.USER_RECENT_ACTIVITY: FeatureViewSpec(
        "A neighbour's last hour: counts, the session, and the newest posts, connectors, events and items they engaged "
        "with, newest first. "
        "A row older than its TTL stands for an empty hour.",
        ttl=RECENT_WINDOW,
        freshness=timedelta(seconds=1),
        push_source=names.RECENT_ACTIVITY_PUSH,
        history_age=timedelta(hours=1),
    ),
    names.USER_AFFINITY: FeatureViewSpec(
        "The categories a neighbor cares for most, heaviest first, with weights that sum to one; evidence is the "
        "decayed weight of the acts behind them.",
        ttl=timedelta(days=14),
        freshness=timedelta(hours=2),
    ),
    names.USER_VECTORS: FeatureViewSpec(
        "A neighbour in the space of one model version: collaborative factors and content embedding.",
        ttl=timedelta(days=14),
        freshness=timedelta(days=2),
        push_source=names.USER_VECTORS_PUSH,
        purposes=frozenset({FeaturePurpose.RECOMMENDATION}),
        history_age=None,
    ),
    names.USER_NEGATIVES: FeatureViewSpec(
        "What a user does not want to see: how often they hid something, and the connectors that they hide.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
        purposes=frozenset({FeaturePurpose.RECOMMENDATION}),
    ),
    names.USER_AUTHOR: FeatureViewSpec(
        "How often a user saw, opened, liked and commented on the posts of an author.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
        purposes=_PERSONALIZATION,
    ),
    names.USER_CONNECTOR: FeatureViewSpec(
        "How often a user saw, opened, visited and contributed to a connector.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
        purposes=_PERSONALIZATION,
    ),
    names.AUTHOR_STATS: FeatureViewSpec(
        "How often an author posts, and how others respond to their posts.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.PLACE_STATS: FeatureViewSpec(
        "Activity in the connectors of an H3 cell (resolution 7); cells with fewer than five active users have no row.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.EVENT_STATS: FeatureViewSpec(
        "How an event is doing: views, clicks, answers other than a refusal, and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.MARKETPLACE_ITEM_STATS: FeatureViewSpec(
        "How an item for sale is doing: impressions, clicks, views, purchases and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.CONNECTOR_STATS: FeatureViewSpec(
        "How a connector is doing: views, clicks, visits, joins, posts, likes, comments, members and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
    names.POST_STATS: FeatureViewSpec(
        "How a post is doing: views, clicks, likes, comments, smoothed click-through and age.",
        ttl=timedelta(days=7),
        freshness=timedelta(hours=2),
    ),
}


def _history_note(spec: FeatureViewSpec) -> str:
    if spec.history_age is None:
        return "It has no history: values in training sets are null."
    hours = spec.history_age // timedelta(hours=1)
    unit = "hour" if hours == 1 else "hours"
    return f"A value in a training set is up to {hours} {unit} old, because of the times of its history rows."


def _field(name: str, kind: FeatureType) -> Field:
    described = describe(name)
    return Field(name=name, dtype=_FEAST_TYPE[kind], description=described.text, tags={UNIT_TAG: described.unit})


def _build_view(name: str) -> FeatureView:
    schema, spec = VIEW_SCHEMAS[name], FEATURE_VIEW_SPECS[name]
    history = PostgreSQLSource(name=f"{name}_history", table=schema.table, timestamp_field=EVENT_TIMESTAMP)
    source = PushSource(name=spec.push_source, batch_source=history) if spec.push_source else history
    return FeatureView(
        name=name,
        entities=[ENTITY_BY_KEY[key] for key in schema.keys],
        ttl=spec.ttl,
        schema=[
            *(Field(name=key, dtype=String) for key in schema.keys),
            *(_field(feature, kind) for feature, kind in schema.features.items()),
        ],
        source=source,
        online=True,
        description=f"{spec.description} {_history_note(spec)}",
        owner=OWNER,
        tags={
            FRESHNESS_TAG: str(int(spec.freshness.total_seconds())),
            PURPOSES_TAG: ",".join(sorted(spec.purposes)),
            PERSONAL_TAG: str(any(key in USER_KEYS for key in schema.keys)).lower(),
        },
    )


VIEWS = {name: _build_view(name) for name in VIEW_SCHEMAS}
