"""Choose a recipe on validation splits inside the training side; the test side is not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from models.recommendation.data import NotEnoughDataError, Split, SplitProtocol
from models.recommendation.evaluate import RankingMetrics, Scorer, evaluate, judged_users
from models.recommendation.features import FeatureSource
from models.recommendation.model import LARGE, Factors, Hyperparameters, candidates_for, fit
from models.recommendation.scoring import BlendWeights, IntArray
from models.recommendation.terms import Items, Terms

HALF_LIVES_DAYS = (None, 30.0, 7.0)
_POPULARITY_GRID = (0.0, 0.03, 0.1, 0.3, 1.0)
_TASTE_GRID = (0.0, 0.03, 0.1, 0.3, 1.0)
_NEWCOMER_POPULARITY_GRID = (0.1, 0.3, 1.0)
_MAX_USERS = 1_500
# One split says little on a small set; on a large one a second split costs minutes and says the same.
_FOLDS = 2

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """All that was chosen: enough to fit the same model on other days."""

    hyperparameters: Hyperparameters
    half_life_days: float | None
    known: BlendWeights
    newcomer: BlendWeights

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "hyperparameters": self.hyperparameters.as_dict(),
            "half_life_days": self.half_life_days,
            "known": self.known.as_dict(),
            "newcomer": self.newcomer.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Read what ``as_dict`` wrote."""
        return cls(
            Hyperparameters(**values["hyperparameters"]),
            values["half_life_days"],
            BlendWeights(**values["known"]),
            BlendWeights(**values["newcomer"]),
        )


def gain(metrics: RankingMetrics) -> float:
    """What validation maximises: recall and ndcg alike, as the gate asks for both."""
    return float(metrics.recall.mean() + metrics.ndcg.mean())


@dataclass(frozen=True)
class _Fold:
    """One validation split, and what its people are ranked by."""

    split: Split
    users: IntArray
    terms: dict[float | None, Terms]

    def judge(self, scorer: Scorer) -> float:
        matrix = self.split.matrix
        answers = matrix.encode(self.split.test)
        return gain(evaluate(scorer, seen=matrix.weights, held_out=answers, users=self.users))


def choose_recipe(
    split: Split, *, protocol: SplitProtocol, items: Items, features: FeatureSource, seed: int, progress: Progress
) -> Recipe:
    """Choose what does best on one or two earlier splits by the same protocol.

    Raises:
        NotEnoughDataError: when the training side cannot be split once more.
    """
    folds = _make_folds(split, protocol=protocol, items=items, features=features, seed=seed)
    days = tuple(folds[0].terms)
    half_life_days = max(days, key=lambda day: _mean(fold.judge(fold.terms[day].by_popularity()) for fold in folds))
    decay = "never decays" if half_life_days is None else f"halves in {half_life_days:g} days"
    progress(f"popularity that {decay} is the best of its kind")
    terms = [fold.terms[half_life_days] for fold in folds]

    best: tuple[float, Hyperparameters, list[Factors], float] | None = None
    for candidate in candidates_for(folds[0].split.matrix):
        factors = [fit(fold.split.matrix, hyperparameters=candidate, seed=seed) for fold in folds]
        score, weight = max(
            (_judge_known(folds, terms, factors, BlendWeights(popularity=weight)), weight)
            for weight in _POPULARITY_GRID
        )
        progress(f"{candidate.factors} factors, alpha {candidate.alpha:g}: validation gain {score:.4f}")
        if best is None or score > best[0]:
            best = (score, candidate, factors, weight)
    if best is None:
        raise NotEnoughDataError("no candidate fits a set of this size")
    _, hyperparameters, factors, weight = best

    tastes = list(
        product(
            _TASTE_GRID if terms[0].embeddings.shape[1] else (0.0,),
            _TASTE_GRID if any(own.affinity.any() for own in terms) else (0.0,),
        )
    )
    known = max(
        (BlendWeights(weight, content, affinity) for content, affinity in tastes),
        key=lambda weights: _judge_known(folds, terms, factors, weights),
    )
    newcomer = max(
        # Somebody whose taste is known must not get what everybody gets, be it a little better on average.
        (
            BlendWeights(popular, *taste)
            for popular, taste in product(_NEWCOMER_POPULARITY_GRID, tastes)
            if any(taste) or len(tastes) == 1
        ),
        key=lambda weights: _mean(fold.judge(own.newcomer(weights)) for fold, own in zip(folds, terms, strict=True)),
    )
    progress(f"chosen: {hyperparameters.factors} factors, weights {known.as_dict()}")
    return Recipe(hyperparameters, half_life_days, known, newcomer)


def _make_folds(
    split: Split, *, protocol: SplitProtocol, items: Items, features: FeatureSource, seed: int
) -> list[_Fold]:
    folds: list[_Fold] = []
    rest = split.train
    while len(folds) < (1 if len(split.train) >= LARGE else _FOLDS):
        try:
            validation = protocol.split(rest)
        except NotEnoughDataError:
            if not folds:
                raise
            break
        matrix = validation.matrix
        users = judged_users(matrix.encode(validation.test), at_most=_MAX_USERS, seed=seed)
        known = features.read(validation, user_ids=[matrix.user_ids[row] for row in users], items=items.frame)
        days = HALF_LIVES_DAYS if validation.cut is not None else (None,)
        terms = {day: Terms.build(validation, items=items, features=known, half_life_days=day) for day in days}
        folds.append(_Fold(validation, users, terms))
        rest = validation.train
    return folds


def _judge_known(folds: list[_Fold], terms: list[Terms], factors: list[Factors], weights: BlendWeights) -> float:
    scorers = (own.known(fitted, weights) for own, fitted in zip(terms, factors, strict=True))
    return _mean(fold.judge(scorer) for fold, scorer in zip(folds, scorers, strict=True))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
