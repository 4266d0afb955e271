"""Keys and freshness policies of the assets. Key prefixes are listed in the order in which data passes through them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import dagster as dg
from dagster import AssetKey

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL

KAFKA, LAKE, RAW = "kafka", "lake", "raw"
OFFLINE, LATEST, ONLINE = "offline", "latest", "online"
TRAINING, MODELS, CHAMPIONS, ITEM_INDEXES, VECTORS = "training", "models", "champions", "item_indexes", "vectors"
BENTO = "bento"
TRAINING_RESULT: Final = "training_result"
"""Metadata key of a model asset with the result of its training."""

FEATURE_REGISTRY: Final = AssetKey(["feast", "registry"])
FEATURE_DRIFT: Final = AssetKey(["feast", "drift"])
WEEKLY_EVALUATION: Final = AssetKey(["evaluation", "recommendations"])
DRIFTED_FEATURES: Final = "drifted_features"
"""Metadata key of ``FEATURE_DRIFT`` with the names of the features that have drifted."""
RECOMMENDABLE_ITEMS: Final = AssetKey(["marts", "recommendable_items"])
SOCIAL_GRAPH: Final = AssetKey(["social_graph"])

HOURLY: Final = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=6))
DAILY: Final = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(days=3))
WEEKLY: Final = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=21))


def table_key(store: str, table: str) -> AssetKey:
    """Return the key of a table's events in ``store``: ``KAFKA``, ``LAKE`` or ``RAW``."""
    return AssetKey([store, table])


def feature_key(stage: str, view: str) -> AssetKey:
    """Return the key of a feature view's history (``OFFLINE``), latest rows (``LATEST``) or online rows."""
    return AssetKey([stage, view])


def training_key(kind: ItemKind) -> AssetKey:
    """Return the key of the training interactions of the recommender of ``kind``."""
    return AssetKey([TRAINING, f"{kind.value}_interactions"])


def model_key(name: str) -> AssetKey:
    """Return the key of the newest version of a registered model."""
    return AssetKey([MODELS, name])


def champion_key(name: str) -> AssetKey:
    """Return the key of the champion alias of a registered model."""
    return AssetKey([CHAMPIONS, name])


def recommender_key(kind: ItemKind) -> AssetKey:
    """Return the key of the newest registered recommender of ``kind``."""
    return model_key(REGISTERED_MODEL[kind])


def recommender_champion_key(kind: ItemKind) -> AssetKey:
    """Return the key of the champion alias of the recommender of ``kind``."""
    return champion_key(REGISTERED_MODEL[kind])


def item_index_key(kind: ItemKind) -> AssetKey:
    """Return the key of the champion's item index."""
    return AssetKey([ITEM_INDEXES, kind.value])


def vectors_key(kind: ItemKind) -> AssetKey:
    """Return the key of the user vectors of the champion of ``kind``, in the online store."""
    return AssetKey([VECTORS, kind.value])


def service_key(name: str) -> AssetKey:
    """Return the key of a model service, materialized when the service reloads."""
    return AssetKey([BENTO, name])
