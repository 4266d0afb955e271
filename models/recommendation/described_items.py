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
    described = _described(settings, {kind: items} | {other: data.items for other, data in others.items()})
    interactions = {other: checked_interactions(data.interactions) for other, data in others.items()}
    return _with_others(kind, described=described, interactions=interactions)


def describe_all(settings: Settings, data: Mapping[ItemKind, KindData]) -> dict[ItemKind, tuple[Items, pl.DataFrame]]:
    """Return the items of each kind as ``describe`` does, and its interactions; each text is read once."""
    described = _described(settings, {kind: of_kind.items for kind, of_kind in data.items()})
    interactions = {kind: checked_interactions(of_kind.interactions) for kind, of_kind in data.items()}
    return {
        kind: (_with_others(kind, described=described, interactions=interactions), interactions[kind]) for kind in data
    }


def _described(settings: Settings, items: Mapping[ItemKind, pl.DataFrame | pl.LazyFrame]) -> dict[ItemKind, Items]:
    embedded = {kind: _embedded(settings, of_kind) for kind, of_kind in items.items()}
    connectors = embedded.get(ItemKind.CONNECTOR)
    if connectors is None:
        return embedded
    return {kind: of_kind.with_connectors(connectors) for kind, of_kind in embedded.items()}


def _with_others(
    kind: ItemKind, *, described: Mapping[ItemKind, Items], interactions: Mapping[ItemKind, pl.DataFrame]
) -> Items:
    others = [other for other in described if other is not kind]
    if not others:
        return described[kind]
    of_others = pl.concat([interactions[other] for other in others], how="diagonal")
    return replace(described[kind], others=OtherKinds(tuple(described[other] for other in others), of_others))


def _embedded(settings: Settings, items: pl.DataFrame | pl.LazyFrame) -> Items:
    frame = checked_items(items)
    embeddings = embed(
        frame["text"].to_list(),
        cache=LakeEmbeddingCache(settings),
        progress=lambda done, total: _log.info("embeddings.progress", done=done, total=total),
    )
    return Items(frame, embeddings)
