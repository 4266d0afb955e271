"""Features of users and items as of a split: from Feast on the platform, from the split itself for other data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import polars as pl

from feature_repo.vendor_patches import FeatureStore
from models.recommendation.data import CATEGORY, Split
from models.recommendation.scoring import evidence_of
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind

AFFINITY_SCHEMA = {"user_id": pl.String, "category": pl.String, "weight": pl.Float32}
EVIDENCE_SCHEMA = {"user_id": pl.String, "evidence": pl.Float32}
STATED_SCHEMA = {"user_id": pl.String, "interest": pl.String}
COUNTS_SCHEMA = {"item_id": pl.String, "count": pl.Float32}


@dataclass(frozen=True)
class SplitFeatures:
    """Features as of the cut of a split.

    Attributes:
        affinity: columns of ``AFFINITY_SCHEMA``; the weights of a user sum to one.
        evidence: columns of ``EVIDENCE_SCHEMA``, the weight of the interactions behind a user's affinity.
        stated: columns of ``STATED_SCHEMA``, the interests that users stated in their profiles.
        item_counts: columns of ``COUNTS_SCHEMA``, positive interactions per item; None when the source has no counts.
        source: description of the source, for the log.
    """

    affinity: pl.DataFrame
    evidence: pl.DataFrame
    stated: pl.DataFrame
    item_counts: pl.DataFrame | None
    source: str


class FeatureSource(Protocol):
    """Source of the features that a model may use as of the cut of a split."""

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Return the features of the users and of all ``items`` as of the cut of ``split``."""
        ...


def no_stated_interests() -> pl.DataFrame:
    """Return an empty frame of stated interests."""
    return pl.DataFrame(schema=STATED_SCHEMA)


class InteractionFeatures:
    """Features computed from the training side of the split, for data sets outside of the feature store."""

    def __init__(self, stated: pl.DataFrame | None = None, *, acts: pl.DataFrame | None = None) -> None:
        """Use ``stated`` interests (``STATED_SCHEMA``), if there are any.

        Args:
            stated: columns of ``STATED_SCHEMA``.
            acts: interactions with items of all kinds, which the affinity is computed from: ``user_id``, ``category``,
                ``weight`` and ``occurred_at``. Those of the split if left out.
        """
        self._stated = no_stated_interests() if stated is None else stated.select(list(STATED_SCHEMA))
        self._acts = acts

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Return each category's share of the interaction weight of each user before the cut.

        The category of an interaction is that of its time, or that of ``items`` where the split has none.
        """
        requested = pl.DataFrame({"user_id": list(user_ids)}, schema={"user_id": pl.String})
        known = split.train
        if self._acts is not None:
            known = self._acts if split.cut is None else self._acts.filter(pl.col("occurred_at") < split.cut)
        counted = (
            _with_categories(known, items=items)
            .join(requested, on="user_id", how="semi")
            .group_by("user_id", "category")
            .agg(pl.col("weight").sum())
            .sort("user_id", "category")
        )
        evidence = counted.group_by("user_id", maintain_order=True).agg(pl.col("weight").sum().alias("evidence"))
        affinity = counted.with_columns((pl.col("weight") / pl.col("weight").sum().over("user_id")).cast(pl.Float32))
        return SplitFeatures(
            affinity.select(list(AFFINITY_SCHEMA)),
            evidence.cast({"evidence": pl.Float32}),
            self._stated.join(requested, on="user_id", how="semi"),
            None,
            "the training side of the split" if self._acts is None else "all acts before the cut",
        )


def _with_categories(interactions: pl.DataFrame, *, items: pl.DataFrame) -> pl.DataFrame:
    """Return the interactions that have a category, with the category.

    A data set without categories of the time of its interactions has one category per item, which does not change.
    """
    if CATEGORY not in interactions.columns:
        interactions = interactions.join(items.select("item_id", CATEGORY), on="item_id")
    return interactions.filter(pl.col(CATEGORY).fill_null("") != "")


def _full(view: str, *features: str) -> list[str]:
    """Return full feature names, which Feast uses when two views of a service share a feature name."""
    return [f"{view}__{feature}" for feature in features]


_AFFINITY = _full(names.USER_AFFINITY, "categories", "weights", "evidence")
_ITEM = {
    ItemKind.CONNECTOR: (
        names.CONNECTOR_TRAINING,
        "connector_id",
        _full(names.CONNECTOR_STATS, "joins_total", "visits_total"),
    ),
    ItemKind.POST: (names.POST_TRAINING, "post_id", _full(names.POST_STATS, "likes_total", "comments_total")),
    ItemKind.EVENT: (names.EVENT_TRAINING, "event_id", _full(names.EVENT_STATS, "rsvps_total")),
    ItemKind.ITEM: (
        names.ITEM_TRAINING,
        "marketplace_item_id",
        _full(names.MARKETPLACE_ITEM_STATS, "views_total", "purchases_total"),
    ),
}


class FeastFeatures:
    """Point-in-time features from the platform's feature store."""

    def __init__(self, store: FeatureStore, *, kind: ItemKind, stated: pl.DataFrame) -> None:
        """Read through ``store``, whose definitions have been applied.

        Args:
            store: the feature store.
            kind: posts or connectors.
            stated: columns of ``STATED_SCHEMA``. Profiles have no history, so these are current interests.
        """
        self._store = store
        self._stated = stated.select(list(STATED_SCHEMA))
        self._service, self._item_key, self._counts = _ITEM[kind]

    def read(self, split: Split, *, user_ids: Sequence[str], items: pl.DataFrame) -> SplitFeatures:
        """Join the kind's training service as of the cut: one row per user and one row per item.

        Raises:
            ValueError: when the split has no cut in time.
        """
        if split.cut is None:
            raise ValueError(f"point-in-time features need a split by time, not {split.protocol!r}")
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
        user_rows, item_rows = joined[joined["user_id"] != ""], joined[joined[self._item_key] != ""]
        with_affinity = [
            (user_id, categories, weights, evidence)
            for user_id, categories, weights, evidence in user_rows[["user_id", *_AFFINITY]].itertuples(index=False)
            if isinstance(categories, Sequence | np.ndarray) and isinstance(weights, Sequence | np.ndarray)
        ]
        affinity = [
            (user_id, category, weight)
            for user_id, categories, weights, _ in with_affinity
            for category, weight in zip(categories, weights, strict=True)
        ]
        evidence = [(user_id, evidence_of(None if pd.isna(value) else value)) for user_id, _, _, value in with_affinity]
        counts = item_rows[self._counts].fillna(0).sum(axis=1)
        return SplitFeatures(
            pl.DataFrame(affinity, schema=AFFINITY_SCHEMA, orient="row").sort("user_id", "category"),
            pl.DataFrame(evidence, schema=EVIDENCE_SCHEMA, orient="row").unique("user_id").sort("user_id"),
            self._stated.filter(pl.col("user_id").is_in(list(user_ids))),
            pl.DataFrame(
                {"item_id": item_rows[self._item_key].tolist(), "count": counts.tolist()}, schema=COUNTS_SCHEMA
            ),
            f"Feast service {self._service} as of {split.cut.isoformat()}",
        )
