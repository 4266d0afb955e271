"""Offline evaluation of a configuration, its reduced variants, the champion and popularity on a test side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.recommendation.als import popularity
from models.recommendation.data import Split
from models.recommendation.features import FeatureSource
from models.recommendation.gate import (
    GateDecision,
    Measured,
    VariantSelection,
    decide,
    over_all_items,
    paired_differences,
    select_variant,
)
from models.recommendation.impression_replay import Replay, replay
from models.recommendation.model_selection import AFFINITY_ONLY, ModelConfig, Progress, Variant, objective
from models.recommendation.pages import page_order
from models.recommendation.ranking_metrics import (
    ConfidenceInterval,
    K,
    RankingMetrics,
    Scorer,
    evaluate,
    evaluated_users,
)
from models.recommendation.score_components import Items, ScoreComponents, attributes_of, half_life_of
from models.recommendation.scoring import FloatArray
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy

MAX_TEST_USERS = 50_000
MAX_SERVED_USERS = 1_000
CHAMPION = "champion"


@dataclass(frozen=True)
class EvaluationReport:
    """Metrics of a configuration and of the baselines on the test side of ``split``, on the same users.

    Attributes:
        config: reduced to the selected variant.
        candidate: metrics of the selected variant.
        cold_user: metrics of its ranking for users without factors.
        no_history: metrics of its ranking by stated interests alone; None when no user stated any.
        variants: metrics of the full model and of its reduced variants.
        served: metrics of the re-ranked pages of at most ``MAX_SERVED_USERS`` users; None when the kind of item is
            unknown or the split has no date.
        replayed: the compared variants on replayed impressions; None without enough impressions.
    """

    split: Split
    config: ModelConfig
    candidate: RankingMetrics
    cold_user: RankingMetrics
    no_history: RankingMetrics | None
    variants: dict[Variant, RankingMetrics]
    selection: VariantSelection
    baselines: dict[str, RankingMetrics]
    gate: GateDecision
    features_source: str
    feature_coverage: float
    served: RankingMetrics | None = None
    replayed: Replay | None = None

    @property
    def strongest_baseline(self) -> str:
        """Name of the popularity baseline that is best on the test side; the gate compares with it."""
        return max(self.baselines, key=lambda name: objective(self.baselines[name]))

    def as_metrics(self) -> dict[str, float]:
        """Return all metrics by name."""
        named = {**self.candidate.means(), **self.cold_user.means("cold_user_"), **self.gate.as_metrics()}
        named |= self.selection.as_metrics()
        for variant, metrics in self.variants.items():
            named |= metrics.means(f"variant_{variant}_")
        if self.served is not None:
            named |= self.served.means("served_")
        if self.no_history is not None:
            named |= self.no_history.means("no_history_")
        if self.replayed is not None:
            named |= {f"replay_{name}_response": self.replayed.mean_response(name) for name in self.replayed.responses}
        for name, metrics in self.baselines.items():
            named |= metrics.means(f"{name}_")
        named |= self.baselines[self.strongest_baseline].means("popularity_")
        return {
            **named,
            "test_users": float(len(self.candidate.users)),
            "test_pairs": float(len(self.split.test)),
            "feature_coverage": self.feature_coverage,
        }


def evaluate_config(
    split: Split,
    *,
    config: ModelConfig,
    champion_config: ModelConfig | None,
    items: Items,
    features: FeatureSource,
    seed: int,
    progress: Progress,
    k: int = K,
    kind: ItemKind | None = None,
    interactions: pl.DataFrame | None = None,
) -> EvaluationReport:
    """Fit ``config`` on ``split.train``; evaluate it, its variants, the champion and popularity on ``split.test``.

    ``interactions`` are both sides with their impressions, which the response model needs. Those of posts are replayed
    if there are enough of them: few impressions of other kinds are on the pages of a model.
    """
    matrix = split.matrix
    relevant = matrix.encode(split.test)
    users = evaluated_users(relevant, at_most=MAX_TEST_USERS, seed=seed)
    as_of_cut = features.read(split, user_ids=[matrix.user_ids[row] for row in users], items=items.frame)

    def measure(scorer: Scorer) -> RankingMetrics:
        return evaluate(scorer, seen=split.mask, held_out=relevant, users=users, k=k, closed=split.closed_columns)

    def components_of(of: ModelConfig) -> ScoreComponents:
        return ScoreComponents.build(split, items=items, features=as_of_cut, half_life_days=of.half_life_days)

    components = components_of(config)
    scorers = _variants(config, components, with_responses=interactions is not None, seed=seed)
    variants = {variant: measure(scorer) for variant, scorer in scorers.items()}
    popular = _popularity(config, split=split, item_counts=as_of_cut.item_counts)
    baselines = {name: measure(_same_for_all(values)) for name, values in popular.items()}
    strongest = max(baselines.values(), key=objective)
    replayed = None
    if Variant.RESPONSE in variants and interactions is not None and kind is ItemKind.POST:
        progress("replaying the impressions of the last days")
        compared = {variant.value: config.reduced_to(variant) for variant in variants}
        others = {} if champion_config is None else {CHAMPION: champion_config}
        replayed = replay(interactions, configs=compared | others, items=items, kind=ItemKind.POST, seed=seed)
    candidates = _candidates(variants, replayed=replayed, baseline=strongest, seed=seed)
    selection = select_variant(_measured(candidates, replayed=replayed), seed=seed)
    config, candidate = config.reduced_to(selection.variant), variants[selection.variant]
    for reason in selection.reasons:
        progress(reason)
    over_champion: dict[str, ConfidenceInterval] = {}
    if champion_config is not None and replayed is not None:
        of_champion, of_candidate = replayed.measured(CHAMPION), replayed.measured(config.variant)
        over_champion = paired_differences(of_candidate, of_champion, seed=seed)
    elif champion_config is not None and Variant.RESPONSE in {champion_config.variant, config.variant}:
        progress("not compared with the champion: all items are no measure of the response model")
    elif champion_config is not None:
        of_all = measure(_scorer(champion_config, components_of(champion_config), seed=seed))
        over_champion = paired_differences(over_all_items(candidate), over_all_items(of_all), seed=seed)
    progress(f"{len(users)} users evaluated: {split.protocol}")
    return EvaluationReport(
        split=split,
        config=config,
        candidate=candidate,
        cold_user=measure(components.cold_user(config.cold_user)),
        no_history=measure(components.no_history(config.cold_user)) if components.stated.any() else None,
        variants=variants,
        selection=selection,
        baselines=baselines,
        gate=decide(candidate, baseline=strongest, over_champion=over_champion, seed=seed),
        features_source=as_of_cut.source,
        feature_coverage=as_of_cut.affinity["user_id"].n_unique() / max(1, len(users)),
        served=_measure_served(scorers[selection.variant], split=split, items=items, kind=kind, seed=seed, k=k),
        replayed=replayed,
    )


def _popularity(config: ModelConfig, *, split: Split, item_counts: pl.DataFrame | None) -> dict[str, FloatArray]:
    """Return the scores of the popularity baselines by name."""
    item_ids = split.matrix.item_ids
    scores = {"popularity_all_time": popularity(split.train, item_ids=item_ids)}
    if config.half_life_days is not None:
        half_life = half_life_of(config.half_life_days)
        scores["popularity_recent"] = popularity(split.train, item_ids=item_ids, half_life=half_life)
    if item_counts is not None:
        count_of = dict(item_counts.iter_rows())
        counts = [count_of.get(item_id, 0.0) for item_id in item_ids]
        scores["popularity_feature"] = np.array(counts, dtype=np.float32)
    return scores


def _same_for_all(scores: FloatArray) -> Scorer:
    return lambda users: scores[None, :].repeat(len(users), axis=0)


def _candidates(
    variants: Mapping[Variant, RankingMetrics], *, replayed: Replay | None, baseline: RankingMetrics, seed: int
) -> Mapping[Variant, RankingMetrics]:
    """Return the variants that may be selected: without the response model if popularity alone would refuse it."""
    if replayed is not None or Variant.RESPONSE not in variants:
        return variants
    if decide(variants[Variant.RESPONSE], baseline=baseline, over_champion={}, seed=seed).passed:
        return variants
    return {variant: metrics for variant, metrics in variants.items() if variant is not Variant.RESPONSE}


def _variants(
    config: ModelConfig, components: ScoreComponents, *, with_responses: bool, seed: int
) -> dict[Variant, Scorer]:
    """Return the scorers of the full model and of the other variants that apply."""
    scorers = {Variant.FACTORS: _scorer(config, components, seed=seed)}
    if config.cold_user.content or components.affinity.any():
        scorers[Variant.WITHOUT_FACTORS] = components.cold_user(config.cold_user)
    if components.affinity.any():
        scorers[Variant.AFFINITY] = components.cold_user(AFFINITY_ONLY)
    responses = components.responses() if with_responses else None
    return scorers if responses is None else scorers | {Variant.RESPONSE: responses}


def _measured(variants: Mapping[Variant, RankingMetrics], *, replayed: Replay | None) -> dict[Variant, Measured]:
    """Return what the variants are compared by: replayed impressions where there are, else all items.

    The response model learns from impressions and is compared on nothing else: acts over all items favor a model of
    what people were shown. It takes the place of affinity alone, which leaves the order within a category to chance,
    and whose pages are much worse. Where nothing can be replayed, it is selected if it
    beats popularity (``_candidates``).
    """
    if replayed is not None:
        return {variant: replayed.measured(variant) for variant in variants if variant is not Variant.AFFINITY}
    chosen = [Variant.RESPONSE] if Variant.RESPONSE in variants else list(variants)
    return {variant: over_all_items(variants[variant]) for variant in chosen}


def _scorer(config: ModelConfig, components: ScoreComponents, *, seed: int) -> Scorer:
    """Return the scorer of a configuration by its variant."""
    responses = components.responses() if config.variant is Variant.RESPONSE else None
    return responses or components.warm_user(config.fit(components.matrix, seed=seed), config.warm_user)


def _measure_served(
    scorer: Scorer, *, split: Split, items: Items, kind: ItemKind | None, seed: int, k: int
) -> RankingMetrics | None:
    """Evaluate the pages that would be served at the cut: the scores, re-ranked as the predictor does."""
    if kind is None or split.cut is None:
        return None
    relevant = split.matrix.encode(split.test)
    attributes = attributes_of(items.aligned(split.matrix.item_ids).frame, kind=kind)
    return evaluate(
        scorer,
        seen=split.mask,
        held_out=relevant,
        users=evaluated_users(relevant, at_most=MAX_SERVED_USERS, seed=seed),
        k=k,
        page=page_order(attributes, policy=ranking_policy(), at=split.cut),
        closed=split.closed_columns,
    )
