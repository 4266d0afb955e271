"""Fit a recipe on the training side of a split and hold it against popularity on the test side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.recommendation.choosing import Progress, Recipe, gain
from models.recommendation.data import Split
from models.recommendation.evaluate import K, RankingMetrics, Scorer, evaluate, judged_users
from models.recommendation.features import FeatureSource
from models.recommendation.gate import GateDecision, decide
from models.recommendation.model import fit, popularity
from models.recommendation.scoring import FloatArray
from models.recommendation.terms import Items, Terms, half_life_of

MAX_TEST_USERS = 50_000


@dataclass(frozen=True)
class Judgement:
    """How the recipe did on the test side of ``split``, beside the baselines, on the same people."""

    split: Split
    recipe: Recipe
    candidate: RankingMetrics
    newcomer: RankingMetrics
    baselines: dict[str, RankingMetrics]
    gate: GateDecision
    features_source: str
    feature_coverage: float

    @property
    def strongest_baseline(self) -> str:
        """Name of the popularity that the gate compares with: the one that does best on the test side itself."""
        return max(self.baselines, key=lambda name: gain(self.baselines[name]))

    def as_metrics(self) -> dict[str, float]:
        """Return every metric by name."""
        named = {**self.candidate.means(), **self.newcomer.means("newcomer_"), **self.gate.as_metrics()}
        for name, metrics in self.baselines.items():
            named |= metrics.means(f"{name}_")
        named |= self.baselines[self.strongest_baseline].means("popularity_")
        return {
            **named,
            "test_people": float(len(self.candidate.users)),
            "test_pairs": float(len(self.split.test)),
            "feature_coverage": self.feature_coverage,
        }


def judge(
    split: Split,
    *,
    recipe: Recipe,
    champion_recipe: Recipe | None,
    items: Items,
    features: FeatureSource,
    seed: int,
    progress: Progress,
    k: int = K,
) -> Judgement:
    """Fit ``recipe`` on ``split.train``, and measure it, the champion's recipe and popularity on ``split.test``."""
    matrix = split.matrix
    answers = matrix.encode(split.test)
    users = judged_users(answers, at_most=MAX_TEST_USERS, seed=seed)
    known = features.read(split, user_ids=[matrix.user_ids[row] for row in users], items=items.frame)

    def measure(scorer: Scorer) -> RankingMetrics:
        return evaluate(scorer, seen=matrix.weights, held_out=answers, users=users, k=k)

    def measure_known(of: Recipe) -> tuple[RankingMetrics, Terms]:
        terms = Terms.build(split, items=items, features=known, half_life_days=of.half_life_days)
        factors = fit(matrix, hyperparameters=of.hyperparameters, seed=seed)
        return measure(terms.known(factors, of.known)), terms

    candidate, terms = measure_known(recipe)
    champion = None
    if champion_recipe is not None:
        champion = candidate if champion_recipe == recipe else measure_known(champion_recipe)[0]
    progress(f"{len(users)} people judged: {split.protocol}")

    def popular(values: FloatArray) -> RankingMetrics:
        return measure(lambda rows: values[None, :].repeat(len(rows), axis=0))

    baselines = {"popularity_all_time": popular(popularity(split.train, item_ids=matrix.item_ids))}
    if recipe.half_life_days is not None:
        recent = popularity(split.train, item_ids=matrix.item_ids, half_life=half_life_of(recipe.half_life_days))
        baselines["popularity_recent"] = popular(recent)
    if known.item_counts is not None:
        found = dict(known.item_counts.iter_rows())
        counts = [found.get(item_id, 0.0) for item_id in matrix.item_ids]
        baselines["popularity_feature"] = popular(np.array(counts, dtype=np.float32))
    strongest = max(baselines.values(), key=gain)
    return Judgement(
        split=split,
        recipe=recipe,
        candidate=candidate,
        newcomer=measure(terms.newcomer(recipe.newcomer)),
        baselines=baselines,
        gate=decide(candidate, baseline=strongest, champion=champion, seed=seed),
        features_source=known.source,
        feature_coverage=known.affinity["user_id"].n_unique() / max(1, len(users)),
    )
