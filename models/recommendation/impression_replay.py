"""Replay of logged impressions: what people did with the items that a model would have shown them on the last days.

Held-out acts over all items favor a model that predicts what people were shown: nobody can like what they did not see.
A replay counts only impressions that both the log and the page of the model have (Li et al., "Unbiased Offline
Evaluation of Contextual-bandit-based News Article Recommendation Algorithms", WSDM 2011): a model is worth the mean
response to them. The pages are the served ones (``page_of``), of each day by a model of the days before, among all
items that exist on that day and were not closed before it. The estimate is unbiased if the log was drawn at random;
where another model made it, it favors pages like that model's, so that a replay compares, and an experiment decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from models.recommendation.als import popularity, predict_cold_start_factors
from models.recommendation.data import InteractionMatrix, acts_of, masking_interactions
from models.recommendation.model_selection import ModelConfig, Variant
from models.recommendation.pages import page_of
from models.recommendation.response import fit_responses
from models.recommendation.score_components import (
    Items,
    attributes_of,
    content_vectors,
    half_life_of,
    response_items,
    seen_items,
)
from models.recommendation.scoring import FloatArray, IntArray
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy

DAYS: Final = 10
PAGE: Final = 20
MAX_USERS: Final = 500
MIN_USERS: Final = 30
MAX_FITTED_USERS: Final = 5_000
"""Users whom the response model of a day is fitted on, next to the replayed ones; each takes milliseconds."""

UserScorer = Callable[[str], FloatArray]


@dataclass(frozen=True)
class Replay:
    """Impressions of the same users that were also on the pages of each configuration, by its name.

    Attributes:
        user_ids: n users.
        responses: (n,) sum of the responses to such impressions of each user.
        impressions: (n,) number of them.
    """

    user_ids: tuple[str, ...]
    responses: dict[str, FloatArray]
    impressions: dict[str, FloatArray]

    def mean_response(self, name: str) -> float:
        """Return the mean response to an impression on the pages of a configuration."""
        return float(self.responses[name].sum() / max(1.0, self.impressions[name].sum()))

    def measured(self, name: str) -> dict[str, FloatArray]:
        """Return a value of each user whose mean is the mean response, for the gate.

        A mean over users with different numbers of impressions is a ratio; its terms are those of the delta method.
        """
        mean = self.mean_response(name)
        deviation = self.responses[name] - mean * self.impressions[name]
        return {"replayed response": mean + deviation / max(1e-9, float(self.impressions[name].mean()))}


def replay(
    interactions: pl.DataFrame, *, configs: dict[str, ModelConfig], items: Items, kind: ItemKind, seed: int
) -> Replay | None:
    """Replay the last days of ``interactions``, which include impressions, under each configuration.

    Affinities are those of acts with items of this kind. None with fewer than ``MIN_USERS`` users, or if nobody
    saw an item of the pages of a configuration: that says nothing about it.
    """
    newest: datetime = interactions["occurred_at"].max()  # type: ignore[assignment]
    chosen = _sample(interactions, since=newest - timedelta(days=DAYS), seed=seed)
    totals: dict[str, dict[str, FloatArray]] = {}
    for days_ago in range(DAYS, 0, -1):
        cut = newest - timedelta(days=days_ago)
        is_before, is_that_day = pl.col("occurred_at") < cut, pl.col("occurred_at") < cut + timedelta(days=1)
        before = interactions.filter(is_before)
        shown = interactions.filter(~is_before, is_that_day, pl.col("user_id").is_in(chosen.implode()))
        if acts_of(before).is_empty() or shown.is_empty():
            continue
        day = _Day(before, users=shown["user_id"].unique(), items=items, kind=kind, at=cut + timedelta(days=1))
        # The champion often has the configuration of a variant, which is fitted once.
        of_config = {config: day.scorer(config, seed=seed) for config in dict.fromkeys(configs.values())}
        scorers = {name: of_config[config] for name, config in configs.items()}
        for user_id, rows, responses in day.shown_to(shown):
            of_user = totals.setdefault(user_id, {name: np.zeros(2) for name in configs})
            for name, scorer in scorers.items():
                is_on_page = np.isin(rows, day.page(scorer(user_id), user_id=user_id))
                of_user[name] += (responses[is_on_page].sum(), is_on_page.sum())
    user_ids = tuple(sorted(totals))
    if len(user_ids) < MIN_USERS:
        return None
    sums = {name: np.array([totals[user_id][name] for user_id in user_ids]) for name in configs}
    if any(not values[:, 1].any() for values in sums.values()):
        return None
    return Replay(
        user_ids,
        {name: values[:, 0] for name, values in sums.items()},
        {name: values[:, 1] for name, values in sums.items()},
    )


def _sample(interactions: pl.DataFrame, *, since: datetime, seed: int) -> pl.Series:
    users = interactions.filter(pl.col("occurred_at") >= since)["user_id"].unique().sort()
    return users if len(users) <= MAX_USERS else users.sample(MAX_USERS, seed=seed)


class _Day:
    """One day: what is known before it, and the scores of all items."""

    def __init__(self, before: pl.DataFrame, *, users: pl.Series, items: Items, kind: ItemKind, at: datetime) -> None:
        self._before, self._users, self._items, self._at = before, users, items, at
        self._acts = acts_of(before)
        self._attributes = attributes_of(items.frame, kind=kind)
        self._names = items.category_names
        self._described = response_items(items, names=self._names)
        self._row_of = {item_id: row for row, item_id in enumerate(items.frame["item_id"])}
        self._masked: dict[str, list[int]] = {}
        masking = masking_interactions(self._acts).filter(pl.col("user_id").is_in(users.implode()))
        for user_id, item_id in masking.select("user_id", "item_id").iter_rows():
            if item_id in self._row_of:
                self._masked.setdefault(user_id, []).append(self._row_of[item_id])
        created, closed = items.frame["created_at"], items.frame["closed_at"]
        is_open = closed.is_null() | (closed > at - timedelta(days=1))
        self._exists = ((created.is_null() | (created <= at)) & is_open).to_numpy()

    def shown_to(self, shown: pl.DataFrame) -> list[tuple[str, IntArray, FloatArray]]:
        """Return the rows of the items that each user saw, and the responses to them."""
        known = shown.filter(pl.col("item_id").is_in(list(self._row_of)))
        pairs = known.group_by("user_id", "item_id").agg(pl.col("weight").max()).sort("user_id", "item_id")
        return [
            (
                str(user_id),
                np.array([self._row_of[item_id] for item_id in part["item_id"]], dtype=np.int64),
                np.log1p(part["weight"].to_numpy().astype(np.float64)),
            )
            for (user_id,), part in pairs.partition_by("user_id", as_dict=True).items()
        ]

    def page(self, scores: FloatArray, *, user_id: str) -> IntArray:
        """Return the rows of the first page of a user."""
        candidates = np.where(self._exists, scores, -np.inf)
        candidates[self._masked.get(user_id, [])] = -np.inf
        page = page_of(candidates, attributes=self._attributes, policy=ranking_policy(), limit=PAGE, at=self._at)
        return np.array([item.row for item in page], dtype=np.int64)

    def scorer(self, config: ModelConfig, *, seed: int) -> UserScorer:
        """Return the scores of all items for a user under a configuration fitted on what is known before the day."""
        return self._responses if config.variant is Variant.RESPONSE else self._blend(config, seed=seed)

    @cached_property
    def _responses(self) -> UserScorer:
        items, users = self._described, self._before["user_id"].unique().sort()
        if len(users) > MAX_FITTED_USERS:
            users = pl.concat([users.sample(MAX_FITTED_USERS, seed=0), self._users])
        seen, of_all_kinds = seen_items(self._before, items=self._items, before=self._at - timedelta(days=1))
        fitted = fit_responses(seen.filter(pl.col("user_id").is_in(users.implode())), items=of_all_kinds)
        quality = fitted.quality_of(items.item_ids)

        def score(user_id: str) -> FloatArray:
            own = fitted.vectors_of([user_id])
            return np.asarray((items.category_part(own) + items.text_part(own))[0] + quality)

        return score

    def _blend(self, config: ModelConfig, *, seed: int) -> UserScorer:
        """Return the blend of factors, popularity, content and affinity; factors of new items come from their text."""
        matrix, items, weights = InteractionMatrix.build(self._acts), self._items, config.warm_user
        item_ids = tuple(items.frame["item_id"])
        fitted = config.fit(matrix, seed=seed)
        trained = items.aligned(matrix.item_ids).embeddings
        counts = np.bincount(matrix.weights.indices, minlength=len(matrix.item_ids)).astype(np.float32)
        projection = predict_cold_start_factors(trained, factors=fitted.items, counts=counts)
        factors = np.asarray(items.embeddings @ projection, dtype=np.float32)
        known = [(row, self._row_of[item_id]) for row, item_id in enumerate(matrix.item_ids) if item_id in self._row_of]
        factors[[row for _, row in known]] = fitted.items[[row for row, _ in known]]
        popular = popularity(self._acts, item_ids=item_ids, half_life=half_life_of(config.half_life_days))
        contents = content_vectors(matrix, embeddings=trained)
        row_of_user = {user_id: row for row, user_id in enumerate(matrix.user_ids)}
        shares = self._shares

        def score(user_id: str) -> FloatArray:
            scores = weights.popularity * popular
            if user_id in row_of_user:
                row = row_of_user[user_id]
                scores = scores + factors @ fitted.users[row] + weights.content * (items.embeddings @ contents[row])
            if user_id in shares:
                scores = scores + weights.affinity * shares[user_id][self._described.category_rows]
            return np.asarray(scores)

        return score

    @cached_property
    def _shares(self) -> dict[str, FloatArray]:
        """Return each category's share of the weight of a user's acts; the last is of items without a category."""
        categories = self._items.frame.select("item_id", pl.Series("row", self._described.category_rows))
        own = self._acts.filter(pl.col("user_id").is_in(self._users.implode()))
        counted = own.join(categories, on="item_id").group_by("user_id", "row").agg(pl.col("weight").sum())
        shares: dict[str, FloatArray] = {}
        for (user_id,), part in counted.partition_by("user_id", as_dict=True).items():
            weights = np.zeros(len(self._names) + 1)
            weights[part["row"].to_numpy()] = part["weight"].to_numpy()
            weights[-1] = 0.0
            total = weights.sum()
            shares[str(user_id)] = weights / total if total > 0 else weights
        return shares
