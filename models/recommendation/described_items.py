"""Items with the embeddings of their texts and of the texts of their connectors, and those of the other kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from models.content.embeddings import LakeEmbeddingCache, embed
from models.recommendation.data import checked_interactions, checked_items
from models.recommendation.score_components import Items, OtherKinds
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KindData:
    """Training data of one kind: ``data.INTERACTIONS_SCHEMA`` with the impressions, and ``data.ITEMS_SCHEMA``."""

    interactions: pl.DataFrame | pl.LazyFrame
    items: pl.DataFrame | pl.LazyFrame


def describe(
    settings: Settings,
    *,
    kind: ItemKind,
    items: pl.DataFrame | pl.LazyFrame,
    others: Mapping[ItemKind, KindData] | None = None,
) -> Items:
    """Return the items of a kind with their text embeddings, and with the other kinds if they are given.

    New embeddings are cached in the lake.
    """
    others = {other: data for other, data in (others or {}).items() if other is not kind}
    embedded = {kind: _embedded(settings, items)}
    embedded |= {other: _embedded(settings, data.items) for other, data in others.items()}
    connectors = embedded.get(ItemKind.CONNECTOR)
    if connectors is not None:
        embedded = {one: of_kind.with_connectors(connectors) for one, of_kind in embedded.items()}
    if not others:
        return embedded[kind]
    interactions = pl.concat([checked_interactions(data.interactions) for data in others.values()], how="diagonal")
    return replace(embedded[kind], others=OtherKinds(tuple(embedded[other] for other in others), interactions))


def _embedded(settings: Settings, items: pl.DataFrame | pl.LazyFrame) -> Items:
    frame = checked_items(items)
    embeddings = embed(
        frame["text"].to_list(),
        cache=LakeEmbeddingCache(settings),
        progress=lambda done, total: _log.info("embeddings.progress", done=done, total=total),
    )
    return Items(frame, embeddings)
