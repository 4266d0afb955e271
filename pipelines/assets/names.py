"""Keys and groups of the assets, in the order in which data passes through them."""

from __future__ import annotations

from dagster import AssetKey

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL

KAFKA, LAKE, RAW = "kafka", "lake", "raw"
OFFLINE, LATEST, ONLINE = "offline", "latest", "online"
TRAINING, MODELS, CHAMPIONS, SNAPSHOTS, VECTORS = "training", "models", "champions", "snapshots", "vectors"
BENTO = "bento"

FEATURE_REGISTRY = AssetKey(["feast", "registry"])
CATALOGUE = AssetKey(["marts", "recommendable_items"])


def bento_key(name: str) -> AssetKey:
    """Return the key of a model service, as of its last reload."""
    return AssetKey([BENTO, name])


def landed(store: str, table: str) -> AssetKey:
    """Return the key of a table's events in ``store``: kafka, lake or raw."""
    return AssetKey([store, table])


def feature_key(stage: str, view: str) -> AssetKey:
    """Return the key of a feature view's history (offline), newest rows (latest) or online values (online)."""
    return AssetKey([stage, view])


def training_key(kind: ItemKind) -> AssetKey:
    """Return the key of the interactions that the recommender of ``kind`` learns from."""
    return AssetKey([TRAINING, f"{kind.value}_interactions"])


def model_key(kind: ItemKind) -> AssetKey:
    """Return the key of the newest registered recommender of ``kind``, served or not."""
    return AssetKey([MODELS, REGISTERED_MODEL[kind]])


def champion_key(kind: ItemKind) -> AssetKey:
    """Return the key of the recommender of ``kind`` that is served."""
    return AssetKey([CHAMPIONS, REGISTERED_MODEL[kind]])


def snapshot_key(kind: ItemKind) -> AssetKey:
    """Return the key of the champion's item snapshot."""
    return AssetKey([SNAPSHOTS, kind.value])


def vectors_key(kind: ItemKind) -> AssetKey:
    """Return the key of people's vectors under the champion, in the online store."""
    return AssetKey([VECTORS, kind.value])
