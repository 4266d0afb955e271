"""Model selection on validation splits within the training side; the test side is never read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from typing import Any

import numpy as np

from models.recommendation.als import LARGE, Factors, Hyperparameters, candidates_for, fit, without_factors
from models.recommendation.data import InteractionMatrix, NotEnoughDataError, Split, SplitProtocol
from models.recommendation.features import FeatureSource
from models.recommendation.ranking_metrics import RankingMetrics, Scorer, evaluate, evaluated_users
from models.recommendation.response_items import STATED_WEIGHT
from models.recommendation.score_components import Items, ScoreComponents
from models.recommendation.scoring import BlendWeights, IntArray

HALF_LIVES_DAYS = (None, 30.0, 7.0)
_POPULARITY_GRID = (0.0, 0.03, 0.1, 0.3, 1.0)
_AFFINITY_GRID = (0.0, 0.03, 0.1, 0.3, 1.0)
_COLD_USER_POPULARITY_GRID = (0.1, 0.3, 1.0)
# Relative to an affinity of weight one: popularity orders items within a category, but does not choose the category.
_AFFINITY_POPULARITY_GRID = (0.03, 0.1, 0.3)
_AFFINITY_CONTENT_GRID = (0.0, 0.1, 0.3, 1.0, 3.0)
_MAX_USERS = 1_500
# One split is too noisy on a small data set; on a large one a second split costs minutes and changes nothing.
_FOLDS = 2

Progress = Callable[[str], None]


class Variant(StrEnum):
    """Model and its reduced variants, the simplest first; the gate selects the simplest sufficient one.

    The response model comes second, because its parts have no weights to select.
    """

    AFFINITY = "affinity"
    RESPONSE = "response"
    WITHOUT_FACTORS = "without_factors"
    FACTORS = "factors"


AFFINITY_ONLY = BlendWeights(popularity=0.03, affinity=1.0)
"""Weights of the simplest variant: category affinity, and popularity within a category."""
RESPONSE = BlendWeights(affinity=STATED_WEIGHT)
"""Weights next to the response model, whose parts have no weights: of the stated interests alone."""


@dataclass(frozen=True)
class ModelConfig:
    """Selected configuration: sufficient to fit the same model on other data."""

    hyperparameters: Hyperparameters
    half_life_days: float | None
    warm_user: BlendWeights
    cold_user: BlendWeights
    variant: Variant = Variant.FACTORS

    def reduced_to(self, variant: Variant) -> ModelConfig:
        """Return the configuration of a variant.

        Without factors and responses, every user is ranked by the weights of cold users.
        """
        if variant is Variant.FACTORS:
            return replace(self, variant=variant)
        if variant is Variant.RESPONSE:
            return replace(self, warm_user=RESPONSE, variant=variant)
        weights = AFFINITY_ONLY if variant is Variant.AFFINITY else self.cold_user
        return replace(self, warm_user=weights, cold_user=weights, variant=variant)

    def fit(self, matrix: InteractionMatrix, *, seed: int) -> Factors:
        """Fit the factors; a variant without factors gets matrices without columns."""
        if self.variant is Variant.FACTORS:
            return fit(matrix, hyperparameters=self.hyperparameters, seed=seed)
        return without_factors(matrix, hyperparameters=self.hyperparameters)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "hyperparameters": self.hyperparameters.as_dict(),
            "half_life_days": self.half_life_days,
            "warm_user": self.warm_user.as_dict(),
            "cold_user": self.cold_user.as_dict(),
            "variant": self.variant.value,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Return the configuration of the output of ``as_dict``."""
        return cls(
            Hyperparameters(**values["hyperparameters"]),
            values["half_life_days"],
            BlendWeights(**values["warm_user"]),
            BlendWeights(**values["cold_user"]),
            Variant(values.get("variant", Variant.FACTORS)),
        )


def objective(metrics: RankingMetrics) -> float:
    """Objective of the selection: mean recall plus mean ndcg, since the gate requires both."""
    return float(metrics.recall.mean() + metrics.ndcg.mean())


@dataclass(frozen=True)
class _Fold:
    """Validation split, its evaluated users and their score components by half-life in days."""

    split: Split
    users: IntArray
    components: dict[float | None, ScoreComponents]

    def score(self, scorer: Scorer) -> float:
        matrix = self.split.matrix
        relevant = matrix.encode(self.split.test)
        split = self.split
        metrics = evaluate(scorer, seen=split.mask, held_out=relevant, users=self.users, closed=split.closed_columns)
        return objective(metrics)


def select_config(
    split: Split,
    *,
    protocol: SplitProtocol,
    items: Items,
    features: FeatureSource,
    seed: int,
    progress: Progress,
    hyperparameters: Hyperparameters | None = None,
) -> ModelConfig:
    """Select the configuration with the best objective on one or two earlier splits by the same protocol.

    Given ``hyperparameters`` are not selected; half-life and weights are.

    Raises:
        NotEnoughDataError: when the training side cannot be split once more.
    """
    folds = _make_folds(split, protocol=protocol, items=items, features=features, seed=seed)
    days = tuple(folds[0].components)
    half_life_days = max(
        days, key=lambda day: _mean(fold.score(fold.components[day].popularity_scorer()) for fold in folds)
    )
    decay = "no decay" if half_life_days is None else f"a half-life of {half_life_days:g} days"
    progress(f"popularity with {decay} has the best validation objective")
    components = [fold.components[half_life_days] for fold in folds]

    best: tuple[float, Hyperparameters, list[Factors], float] | None = None
    for candidate in (hyperparameters,) if hyperparameters else candidates_for(folds[0].split.matrix):
        factors = [fit(fold.split.matrix, hyperparameters=candidate, seed=seed) for fold in folds]
        score, weight = max(
            (_score_warm_users(folds, components, factors, BlendWeights(popularity=weight)), weight)
            for weight in _POPULARITY_GRID
        )
        progress(f"{candidate.factors} factors, alpha {candidate.alpha:g}: validation objective {score:.4f}")
        if best is None or score > best[0]:
            best = (score, candidate, factors, weight)
    if best is None:
        raise NotEnoughDataError("no candidate is applicable to a data set of this size")
    _, selected, factors, weight = best

    personal_weights = list(
        product(
            _AFFINITY_GRID if components[0].embeddings.shape[1] else (0.0,),
            _AFFINITY_GRID if any(component.affinity.any() for component in components) else (0.0,),
        )
    )
    warm_user = max(
        (BlendWeights(weight, content, affinity) for content, affinity in personal_weights),
        key=lambda weights: _score_warm_users(folds, components, factors, weights),
    )
    cold_user = max(_cold_user_weights(components), key=lambda weights: _score_cold_users(folds, components, weights))
    progress(f"selected: {selected.factors} factors, weights {warm_user.as_dict()}")
    return ModelConfig(selected, half_life_days, warm_user, cold_user)


def _make_folds(
    split: Split, *, protocol: SplitProtocol, items: Items, features: FeatureSource, seed: int
) -> list[_Fold]:
    folds: list[_Fold] = []
    rest = split.interactions
    while len(folds) < (1 if len(split.train) >= LARGE else _FOLDS):
        try:
            validation = protocol.split(rest).without_closed(items.frame)
        except NotEnoughDataError:
            if not folds:
                raise
            break
        matrix = validation.matrix
        users = evaluated_users(matrix.encode(validation.test), at_most=_MAX_USERS, seed=seed)
        as_of_cut = features.read(validation, user_ids=[matrix.user_ids[row] for row in users], items=items.frame)
        days = HALF_LIVES_DAYS if validation.cut is not None else (None,)
        components = {
            day: ScoreComponents.build(validation, items=items, features=as_of_cut, half_life_days=day) for day in days
        }
        folds.append(_Fold(validation, users, components))
        rest = validation.interactions
    return folds


def _score_warm_users(
    folds: list[_Fold], components: list[ScoreComponents], factors: list[Factors], weights: BlendWeights
) -> float:
    scorers = (component.warm_user(fitted, weights) for component, fitted in zip(components, factors, strict=True))
    return _mean(fold.score(scorer) for fold, scorer in zip(folds, scorers, strict=True))


def _cold_user_weights(components: list[ScoreComponents]) -> list[BlendWeights]:
    """Return the grid of weights for users without factors.

    Where items have categories, affinity has weight one and popularity less, even if equal weights had a slightly
    better average: a user with a known affinity must get a personal ranking.
    """
    has_text = bool(components[0].embeddings.shape[1])
    has_affinity = any(component.affinity.any() for component in components)
    contents: tuple[float, ...] = (0.0,)
    if has_text:
        contents = _AFFINITY_CONTENT_GRID if has_affinity else _AFFINITY_GRID[1:]
    populars = _AFFINITY_POPULARITY_GRID if has_affinity else _COLD_USER_POPULARITY_GRID
    return [BlendWeights(*pair, affinity=float(has_affinity)) for pair in product(populars, contents)]


def _score_cold_users(folds: list[_Fold], components: list[ScoreComponents], weights: BlendWeights) -> float:
    """Score weights for users without factors and, where users stated interests, for users without any interaction."""
    objectives = []
    for fold, component in zip(folds, components, strict=True):
        objectives.append(fold.score(component.cold_user(weights)))
        if component.stated.any():
            objectives.append(fold.score(component.no_history(weights)))
    return _mean(objectives)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
