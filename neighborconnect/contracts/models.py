"""Names of the registered models and of the artefacts that serving reads."""

from __future__ import annotations

from neighborconnect.contracts.events import ItemKind

CHAMPION = "champion"
REGISTERED_MODEL = {ItemKind.CONNECTOR: "connector_recommender", ItemKind.POST: "post_recommender"}
CONTENT_MODEL = "content"
MATCHING_MODEL = "matching"
VISION_MODEL = "vision"
MODELS = (*REGISTERED_MODEL.values(), CONTENT_MODEL, MATCHING_MODEL, VISION_MODEL)
"""Every registered model that the first run of the pipelines leaves with a champion."""

TOWN_PREFIX = ("snapshots", "matching")
"""Path parts, below the lake's bucket, of the snapshots of the town."""


def snapshot_prefix(kind: ItemKind, model_version: str) -> tuple[str, ...]:
    """Path parts, below the lake's bucket, of the item snapshots of one model version."""
    return ("snapshots", "recommendation", kind.value, model_version)
