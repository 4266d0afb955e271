"""Gate: selection of the variant to serve, and the decision whether it may replace the champion.

| condition | threshold | action |
|---|---|---|
| larger variant against the selected one | 95 % interval above ``MARGIN`` on every metric | select the larger one |
| candidate against popularity | 95 % interval not above zero | refuse |
| candidate against the champion | 95 % interval below zero | refuse |

All intervals are paired bootstrap intervals over the same users. Variants, and the candidate and the champion, are
compared on replayed impressions (``impression_replay``) for posts with enough of them, else on recall and ndcg over all
items. Those are no measure of the response model, which must beat popularity there, and is not compared further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.recommendation.model_selection import Variant
from models.recommendation.ranking_metrics import ConfidenceInterval, RankingMetrics, bootstrap
from models.recommendation.scoring import FloatArray

Measured = Mapping[str, FloatArray]
"""Value of each user by the name of the metric."""
MARGIN = 0.0
"""Lower bound that the paired interval of a larger variant must exceed."""


@dataclass(frozen=True)
class GateDecision:
    """Decision, with its paired differences (candidate minus other) by metric."""

    passed: bool
    over_baseline: dict[str, ConfidenceInterval]
    over_champion: dict[str, ConfidenceInterval]
    reasons: tuple[str, ...]

    def as_metrics(self) -> dict[str, float]:
        """Return the differences by metric name, such as ``gate_recall_over_popularity_low``."""
        named = {"popularity": self.over_baseline, "champion": self.over_champion}
        return {
            f"gate_{_named(metric)}_over_{other}_{end}": getattr(interval, end)
            for other, differences in named.items()
            for metric, interval in differences.items()
            for end in ("mean", "low", "high")
        }


def over_all_items(metrics: RankingMetrics) -> Measured:
    """Return the metrics of a ranking of all items that the gate compares."""
    return {f"recall@{metrics.k}": metrics.recall, f"ndcg@{metrics.k}": metrics.ndcg}


def paired_differences(left: Measured, right: Measured, *, seed: int) -> dict[str, ConfidenceInterval]:
    """Return left minus right for each metric, with a bootstrap interval over the same users."""
    return {metric: bootstrap(left[metric] - right[metric], seed=seed) for metric in left}


def _named(metric: str) -> str:
    """Return the name of a metric as MLflow's names have it: without its number of positions."""
    return metric.split("@", maxsplit=1)[0].replace(" ", "_")


@dataclass(frozen=True)
class VariantSelection:
    """Selected variant, with the paired differences (larger minus simpler) by metric."""

    variant: Variant
    steps: dict[str, dict[str, ConfidenceInterval]]
    reasons: tuple[str, ...]

    def as_metrics(self) -> dict[str, float]:
        """Return the differences by metric name, such as ``selection_ndcg_factors_over_affinity_low``."""
        return {
            f"selection_{_named(metric)}_{step}_{end}": getattr(interval, end)
            for step, differences in self.steps.items()
            for metric, interval in differences.items()
            for end in ("mean", "low", "high")
        }


def select_variant(variants: Mapping[Variant, Measured], *, seed: int) -> VariantSelection:
    """Select the simplest variant that no larger one significantly beats on every metric.

    Args:
        variants: metrics on the same users; variants that do not apply are left out.
        seed: seed of the bootstrap.
    """
    names = [variant for variant in Variant if variant in variants]
    chosen = names[0]
    steps: dict[str, dict[str, ConfidenceInterval]] = {}
    reasons = [] if len(names) > 1 else [f"{chosen} is the only candidate"]
    for larger in names[1:]:
        differences = paired_differences(variants[larger], variants[chosen], seed=seed)
        steps[f"{larger}_over_{chosen}"] = differences
        is_better = all(interval.low > MARGIN for interval in differences.values())
        figures = ", ".join(
            f"{metric} {interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
            for metric, interval in differences.items()
        )
        verdict = (
            "significantly better: the larger is selected"
            if is_better
            else "not significantly better: the simpler is selected"
        )
        reasons.append(f"{larger} over {chosen}: {figures}, {verdict}")
        chosen = larger if is_better else chosen
    return VariantSelection(chosen, steps, tuple(reasons))


def decide(
    candidate: RankingMetrics,
    *,
    baseline: RankingMetrics,
    over_champion: Mapping[str, ConfidenceInterval],
    seed: int,
) -> GateDecision:
    """Decide by the table at the top of this module.

    Args:
        candidate: metrics of the candidate.
        baseline: metrics of the strongest popularity baseline.
        over_champion: paired differences to the champion by metric; empty without a champion.
        seed: seed of the bootstrap.

    The champion's configuration was fitted on the same training side. A tie with it passes: the same configuration on
    newer data is a tie by construction, and a gate that refused ties would never replace a model.
    """
    over_baseline = paired_differences(over_all_items(candidate), over_all_items(baseline), seed=seed)
    reasons = [
        f"{metric} over popularity is {interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}], "
        + ("above zero" if interval.low > 0 else "not significantly above zero")
        for metric, interval in over_baseline.items()
    ]
    reasons += [
        f"{metric} over the champion's configuration is {interval.mean:+.4f} "
        f"[{interval.low:+.4f}, {interval.high:+.4f}], " + ("worse" if interval.high < 0 else "not worse")
        for metric, interval in over_champion.items()
    ]
    passed = all(interval.low > 0 for interval in over_baseline.values()) and all(
        interval.high >= 0 for interval in over_champion.values()
    )
    return GateDecision(passed, over_baseline, dict(over_champion), tuple(reasons))
