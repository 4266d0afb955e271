"""What is known of people and items as of a split: from Feast on the platform, from the split itself elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import polars as pl

from feature_repo.feast_import import FeatureStore
from models.recommendation.data import Split
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind

AFFINITY_SCHEMA = {"user_id": pl.String, "category": pl.String, "weight": pl.Float32}
COUNTS_SCHEMA = {"item_id": pl.String, "count": pl.Float32}


@dataclass(frozen=True)
class SplitFeatures:
    """Features as of the cut of a split.

    Attributes:
        affinity: columns of ``AFFINITY_SCHEMA``; weights of one person sum to one.
        item_counts: columns of ``COUNTS_SCHEMA``, how often an item was taken up; None where the source has no such
            count of its own.
        source: where they came from, for the log.
    """

    affinity: pl.DataFrame
    item_counts: pl.DataFrame | None
    source: str


class FeatureSource(Protocol):
    """Gives the features that a model may use on one side of a split."""

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Return what was known at the cut of ``split`` of those people and of all ``items``."""
        ...


class InteractionFeatures:
    """Features counted from the training side of the split: for sets that no feature store has seen."""

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Share of each category among what a person took up before the cut."""
        wanted = pl.DataFrame({"user_id": list(user_ids)}, schema={"user_id": pl.String})
        affinity = (
            split.train.join(wanted, on="user_id", how="semi")
            .join(items.filter(pl.col("category") != "").select("item_id", "category"), on="item_id")
            .group_by("user_id", "category")
            .agg(pl.col("weight").sum())
            .with_columns((pl.col("weight") / pl.col("weight").sum().over("user_id")).cast(pl.Float32))
            .sort("user_id", "category")
        )
        return SplitFeatures(affinity.select(list(AFFINITY_SCHEMA)), None, "the training side of the split")


def _full(view: str, *features: str) -> list[str]:
    """Name features as Feast does where two views of a service have one of the same name."""
    return [f"{view}__{feature}" for feature in features]


_AFFINITY = _full(names.USER_AFFINITY, "categories", "weights")
_ITEM = {
    ItemKind.CONNECTOR: (
        names.CONNECTOR_TRAINING,
        "connector_id",
        _full(names.CONNECTOR_STATS, "joins_total", "visits_total"),
    ),
    ItemKind.POST: (names.POST_TRAINING, "post_id", _full(names.POST_STATS, "likes_total", "comments_total")),
}


class FeastFeatures:
    """Point-in-time features from the platform's feature store."""

    def __init__(self, store: FeatureStore, *, kind: ItemKind) -> None:
        """Read through ``store``, which has been applied."""
        self._store = store
        self._service, self._item_key, self._counts = _ITEM[kind]

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Join the kind's training service as of the cut: one row a person and one row an item.

        Raises:
            ValueError: when the split has no cut in time.
        """
        if split.cut is None:
            raise ValueError(f"features as of a time need a split by time, not {split.protocol!r}")
        item_ids = items["item_id"].to_list()
        entities = pd.DataFrame(
            {
                "user_id": [*user_ids, *("" for _ in item_ids)],
                self._item_key: [*("" for _ in user_ids), *item_ids],
                "event_timestamp": split.cut,
            }
        )
        service = self._store.get_feature_service(self._service)
        history = self._store.get_historical_features(entity_df=entities, features=service, full_feature_names=True)
        joined = history.to_df()
        people, things = joined[joined["user_id"] != ""], joined[joined[self._item_key] != ""]
        affinity = [
            (user_id, category, weight)
            for user_id, categories, weights in people[["user_id", *_AFFINITY]].itertuples(index=False)
            if isinstance(categories, Sequence | np.ndarray) and isinstance(weights, Sequence | np.ndarray)
            for category, weight in zip(categories, weights, strict=True)
        ]
        counts = things[self._counts].fillna(0).sum(axis=1)
        return SplitFeatures(
            pl.DataFrame(affinity, schema=AFFINITY_SCHEMA, orient="row").sort("user_id", "category"),
            pl.DataFrame({"item_id": things[self._item_key].tolist(), "count": counts.tolist()}, schema=COUNTS_SCHEMA),
            f"Feast service {self._service} as of {split.cut.isoformat()}",
        )
