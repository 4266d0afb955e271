"""Names of the registered models and of the artifacts that serving reads."""

from __future__ import annotations

from neighborconnect.contracts.events import SHORT_LIVED, ItemKind

CHAMPION = "champion"
REGISTERED_MODEL = {
    ItemKind.CONNECTOR: "connector_recommender",
    ItemKind.POST: "post_recommender",
    ItemKind.EVENT: "event_recommender",
    ItemKind.ITEM: "item_recommender",
}
CONTENT_MODEL = "content"
MATCHING_MODEL = "matching"
VISION_MODEL = "vision"
MODELS = (*REGISTERED_MODEL.values(), CONTENT_MODEL, MATCHING_MODEL, VISION_MODEL)
"""Registered models that have a champion after the first run of the pipelines."""
ADDED_MODELS = frozenset(REGISTERED_MODEL[kind] for kind in SHORT_LIVED)
"""Models that an installation may lack: one of an earlier release gets them with its next training."""

SOCIAL_GRAPH_PREFIX = ("social_graphs",)
"""Path segments of the social graphs below the lake's bucket."""


ITEM_QUALITIES_PREFIX = "item_qualities"
"""Path, below the lake's bucket, of the qualities of items by the response model."""


def item_index_prefix(kind: ItemKind, model_version: str) -> tuple[str, ...]:
    """Return the path segments, below the lake's bucket, of the item indexes of one model version."""
    return ("item_indexes", kind.value, model_version)
