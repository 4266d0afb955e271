"""Components of the score for all users at once, for model selection and offline evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from models.recommendation.als import Factors, popularity
from models.recommendation.data import InteractionMatrix, Split
from models.recommendation.features import SplitFeatures
from models.recommendation.pages import Attributes
from models.recommendation.ranking_metrics import Scorer
from models.recommendation.response import fit_responses, has_enough_impressions
from models.recommendation.response_items import STATED_WEIGHT, ConnectorTexts, ResponseItems
from models.recommendation.scoring import (
    BlendWeights,
    FloatArray,
    IntArray,
    blend_stated_interests,
    normalize_rows,
    split_stated_interests,
)
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.interests import category_key


@dataclass(frozen=True)
class Items:
    """Items of one kind.

    Attributes:
        frame: columns of ``ITEMS_SCHEMA``, sorted by id.
        embeddings: (n, d) text embeddings; d may be 0.
        connectors: texts of the connectors of the items; None if they are not known.
        others: the other kinds; None if they are not known.
    """

    frame: pl.DataFrame
    embeddings: FloatArray
    connectors: ConnectorTexts | None = None
    others: OtherKinds | None = None

    @property
    def category_names(self) -> tuple[str, ...]:
        """Every category of the items and of those of the other kinds, sorted; the empty one is left out."""
        kinds = () if self.others is None else self.others.items
        names = {category for items in (self, *kinds) for category in items.frame["category"]}
        return tuple(sorted(names - {""}))

    def with_connectors(self, connectors: Items) -> Items:
        """Return these items with the texts of their connectors, which are the items ``connectors``."""
        if self is connectors:
            return replace(self, connectors=ConnectorTexts(self.embeddings, np.arange(len(self.frame)), is_own=True))
        rows = _positions(self.frame["connector_id"], among=connectors.frame["item_id"], missing=-1)
        return replace(self, connectors=ConnectorTexts(connectors.embeddings, rows))

    def aligned(self, item_ids: Sequence[str]) -> Items:
        """Return these items in the order of ``item_ids``; an unknown item gets empty values."""
        rows = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String}).join(
            self.frame.with_row_index("row"), on="item_id", how="left", maintain_order="left"
        )
        embeddings = np.zeros((len(item_ids), self.embeddings.shape[1]), dtype=np.float32)
        is_described = rows["row"].is_not_null().to_numpy()
        known = rows["row"].drop_nulls().to_numpy()
        embeddings[is_described] = self.embeddings[known]
        connectors = self.connectors
        if connectors is not None:
            of_items = np.full(len(item_ids), -1, dtype=np.int64)
            of_items[is_described] = connectors.rows[known]
            connectors = replace(connectors, rows=of_items)
        frame = rows.drop("row").with_columns(pl.col("text", "category").fill_null(""))
        return Items(frame, embeddings, connectors, self.others)


@dataclass(frozen=True)
class OtherKinds:
    """Items of the other kinds, and what users saw and did with them: the response model learns their tastes from all.

    Attributes:
        items: items of each kind.
        interactions: columns of ``INTERACTIONS_SCHEMA``, with the impressions.
    """

    items: tuple[Items, ...]
    interactions: pl.DataFrame


def response_items(items: Items, *, names: Sequence[str]) -> ResponseItems:
    """Return items as the response model takes them, with the categories ``names``."""
    ids, categories = items.frame["item_id"].to_list(), items.frame["category"].to_list()
    return ResponseItems.of(
        ids, categories=categories, among=names, embeddings=items.embeddings, connectors=items.connectors
    )


def seen_items(
    interactions: pl.DataFrame, *, items: Items, before: datetime | None = None
) -> tuple[pl.DataFrame, ResponseItems]:
    """Return what the response model of a kind is fitted on: what users saw and did, and the items of all kinds.

    ``interactions`` are those of the kind; those of the others count if they are ``before`` a time.
    """
    kinds = (items, *(() if items.others is None else items.others.items))
    described = ResponseItems.concatenate([response_items(one, names=items.category_names) for one in kinds])
    if items.others is None:
        return interactions, described
    others = items.others.interactions
    if before is not None:
        others = others.filter(pl.col("occurred_at") < before)
    return pl.concat([interactions, others], how="diagonal"), described


def attributes_of(frame: pl.DataFrame, *, kind: ItemKind) -> Attributes:
    """Return the attributes for re-ranking of items of ``checked_items``.

    Posts and marketplace items have an age. Connectors last, and an event has a start instead.
    """
    authors = frame["owner_id"].rank("dense").cast(pl.Int64).fill_null(-1)
    created = frame["created_at"].dt.epoch("us").cast(pl.Float64) / 1e6
    is_dated = kind in {ItemKind.POST, ItemKind.ITEM}
    return Attributes(
        authors=authors.to_numpy(),
        connectors=tuple(frame["connector_id"].fill_null("")),
        categories=tuple(frame["category"]),
        created_at=created.fill_null(np.nan).to_numpy() if is_dated else np.full(len(frame), np.nan),
    )


def half_life_of(days: float | None) -> timedelta | None:
    """Return the half-life of popularity; None without decay."""
    return None if days is None else timedelta(days=days)


@dataclass(frozen=True)
class ScoreComponents:
    """Score components of one split, for the users and items of its matrix."""

    matrix: InteractionMatrix
    popularity: FloatArray
    embeddings: FloatArray
    content: FloatArray
    affinity: FloatArray
    stated: FloatArray
    stated_part: FloatArray
    category_rows: IntArray
    seen: pl.DataFrame | None = None
    described: Items | None = field(default=None, repr=False)
    cut: datetime | None = None

    @classmethod
    def build(
        cls, split: Split, *, items: Items, features: SplitFeatures, half_life_days: float | None
    ) -> ScoreComponents:
        """Compute all components but the collaborative one and the responses."""
        matrix = split.matrix
        aligned = items.aligned(matrix.item_ids)
        names = aligned.frame["category"].unique().sort()
        names = names.filter(names != "")
        stated = _stated_rows(features.stated, user_ids=matrix.user_ids, categories=names)
        affinity = _affinity_rows(features.affinity, user_ids=matrix.user_ids, categories=names)
        evidence = _evidence_rows(features.evidence, user_ids=matrix.user_ids)
        return cls(
            matrix=matrix,
            popularity=popularity(split.train, item_ids=matrix.item_ids, half_life=half_life_of(half_life_days)),
            embeddings=aligned.embeddings,
            content=content_vectors(matrix, embeddings=aligned.embeddings),
            affinity=blend_stated_interests(affinity, evidence=evidence, stated=stated),
            stated_part=split_stated_interests(affinity, evidence=evidence, stated=stated)[1],
            stated=blend_stated_interests(np.zeros_like(affinity), evidence=np.zeros_like(evidence), stated=stated),
            category_rows=_positions(aligned.frame["category"], among=names, missing=len(names)),
            seen=split.seen,
            described=items,
            cut=split.cut,
        )

    def popularity_scorer(self) -> Scorer:
        """Score all users alike, by popularity."""
        return lambda users: np.broadcast_to(self.popularity, (len(users), len(self.popularity)))

    def cold_user(self, weights: BlendWeights) -> Scorer:
        """Score users as if they had no factors."""
        return lambda users: self._other_components(users, weights)

    def no_history(self, weights: BlendWeights) -> Scorer:
        """Score users as if they had no interactions: by stated interests and popularity."""
        return lambda users: (
            weights.popularity * self.popularity + weights.affinity * self.stated[users][:, self.category_rows]
        )

    def warm_user(self, factors: Factors, weights: BlendWeights) -> Scorer:
        """Score users by their factors and the other components."""
        return lambda users: factors.users[users] @ factors.items.T + self._other_components(users, weights)

    def responses(self) -> Scorer | None:
        """Score users by the response model and their stated interests; None without enough impressions."""
        if self.seen is None or self.described is None:
            return None
        seen, described = seen_items(self.seen, items=self.described, before=self.cut)
        if not has_enough_impressions(seen):
            return None
        fitted = fit_responses(seen, items=described)
        aligned = self.described.aligned(self.matrix.item_ids)
        items = response_items(aligned, names=self.described.category_names)
        vectors, quality = fitted.vectors_of(self.matrix.user_ids), fitted.quality_of(self.matrix.item_ids)

        def score(users: IntArray) -> FloatArray:
            own = vectors[users]
            stated = STATED_WEIGHT * self.stated_part[users][:, self.category_rows]
            return np.asarray(items.category_part(own) + items.text_part(own) + quality + stated)

        return score

    def _other_components(self, users: IntArray, weights: BlendWeights) -> FloatArray:
        scores = np.broadcast_to(weights.popularity * self.popularity, (len(users), len(self.popularity)))
        if weights.content:
            scores = scores + weights.content * (self.content[users] @ self.embeddings.T)
        if weights.affinity:
            scores = scores + weights.affinity * self.affinity[users][:, self.category_rows]
        return scores


def content_vectors(matrix: InteractionMatrix, *, embeddings: FloatArray) -> FloatArray:
    """Return (users, d) unit vectors: the weighted mean embedding of the items of each user."""
    weights = matrix.weights.copy()
    weights.data = np.log1p(weights.data)
    return normalize_rows(np.asarray(weights @ embeddings, dtype=np.float32))


def _positions(values: pl.Series, *, among: pl.Series, missing: int) -> IntArray:
    position = {name: row for row, name in enumerate(among)}
    return np.array([position.get(value, missing) for value in values], dtype=np.int64)


def _affinity_rows(affinity: pl.DataFrame, *, user_ids: Sequence[str], categories: pl.Series) -> FloatArray:
    """Return (users, categories + 1); the last column, for items without a category, is zero."""
    rows = np.zeros((len(user_ids), len(categories) + 1), dtype=np.float32)
    rows_of_users = affinity.filter(
        pl.col("user_id").is_in(list(user_ids)), pl.col("category").is_in(categories.to_list())
    )
    users = _positions(rows_of_users["user_id"], among=pl.Series(user_ids, dtype=pl.String), missing=-1)
    rows[users, _positions(rows_of_users["category"], among=categories, missing=-1)] = rows_of_users[
        "weight"
    ].to_numpy()
    return rows


def _evidence_rows(evidence: pl.DataFrame, *, user_ids: Sequence[str]) -> FloatArray:
    rows = np.zeros(len(user_ids), dtype=np.float32)
    rows_of_users = evidence.filter(pl.col("user_id").is_in(list(user_ids)))
    users = _positions(rows_of_users["user_id"], among=pl.Series(user_ids, dtype=pl.String), missing=-1)
    rows[users] = rows_of_users["evidence"].to_numpy()
    return rows


def _stated_rows(stated: pl.DataFrame, *, user_ids: Sequence[str], categories: pl.Series) -> FloatArray:
    """Return (users, categories + 1): one where the user stated the category as an interest."""
    rows = np.zeros((len(user_ids), len(categories) + 1), dtype=np.float32)
    rows_of_users = stated.filter(pl.col("user_id").is_in(list(user_ids)))
    users = _positions(rows_of_users["user_id"], among=pl.Series(user_ids, dtype=pl.String), missing=-1)
    by_key: dict[str, list[int]] = {}
    for position, name in enumerate(categories):
        by_key.setdefault(category_key(name), []).append(position)
    for user, interest in zip(users, rows_of_users["interest"], strict=True):
        rows[user, by_key.get(category_key(interest), [])] = 1.0
    return rows
