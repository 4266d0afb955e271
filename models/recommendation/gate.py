"""Whether a candidate may be served: it must beat popularity for sure, and not be worse than what is served now."""

from __future__ import annotations

from dataclasses import dataclass

from models.recommendation.evaluate import Interval, RankingMetrics, bootstrap

GATE_METRICS = ("recall", "ndcg")


@dataclass(frozen=True)
class GateDecision:
    """The verdict, with the paired differences it rests on (candidate minus other, by metric)."""

    passed: bool
    over_baseline: dict[str, Interval]
    over_champion: dict[str, Interval]
    reasons: tuple[str, ...]

    def as_metrics(self) -> dict[str, float]:
        """Return the differences by metric name, such as ``gate_recall_over_popularity_low``."""
        named = {"popularity": self.over_baseline, "champion": self.over_champion}
        return {
            f"gate_{metric}_over_{other}_{end}": getattr(interval, end)
            for other, differences in named.items()
            for metric, interval in differences.items()
            for end in ("mean", "low", "high")
        }


def paired_differences(left: RankingMetrics, right: RankingMetrics, *, seed: int) -> dict[str, Interval]:
    """Return left minus right for each gate metric, with a bootstrap interval over the same people."""
    return {metric: bootstrap(getattr(left, metric) - getattr(right, metric), seed=seed) for metric in GATE_METRICS}


def decide(
    candidate: RankingMetrics, *, baseline: RankingMetrics, champion: RankingMetrics | None, seed: int
) -> GateDecision:
    """Pass a candidate whose interval over the baseline is above zero on every gate metric.

    Against the present champion, whose recipe has been fitted on the same training side, the candidate only fails
    where the interval says that it is worse: the same recipe on newer data is a tie by construction, and a gate
    that refused ties would keep a model for ever.
    """
    over_baseline = paired_differences(candidate, baseline, seed=seed)
    over_champion = {} if champion is None else paired_differences(candidate, champion, seed=seed)
    reasons = [
        f"{metric}@{candidate.k} over popularity is {interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}], "
        + ("above zero" if interval.low > 0 else "not surely above zero")
        for metric, interval in over_baseline.items()
    ]
    reasons += [
        f"{metric}@{candidate.k} over the champion's recipe is {interval.mean:+.4f} "
        f"[{interval.low:+.4f}, {interval.high:+.4f}], " + ("worse" if interval.high < 0 else "not worse")
        for metric, interval in over_champion.items()
    ]
    passed = all(interval.low > 0 for interval in over_baseline.values()) and all(
        interval.high >= 0 for interval in over_champion.values()
    )
    return GateDecision(passed, over_baseline, over_champion, tuple(reasons))
