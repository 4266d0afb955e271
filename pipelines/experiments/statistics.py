"""Comparison of the variants of an experiment with its control, from one row per user.

| part | method |
|---|---|
| sample-ratio check | chi-squared or binomial test of ``tea_tasting.SampleRatio``; a mismatch refuses the readout |
| effect | difference of means, Welch's test of ``tea_tasting.Mean`` |
| CUPED | adjustment by the acts of the user before the first exposure (Deng et al. 2013), in ``tea_tasting.Mean`` |
| always-valid interval | normal-mixture sequential test (Johari et al. 2022), which may be read at any time |
| guardrails | stop when the always-valid interval is beyond the tolerance on the harmful side |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import polars as pl
import tea_tasting as tt

VARIANT: Final = "variant"
COVARIATE: Final = "prior_acts"
ALPHA: Final = 0.05
SAMPLE_RATIO_ALPHA: Final = 0.001
"""Significance of the sample-ratio check, which is read every hour."""
MIN_USERS: Final = 30
"""Users of each variant below which nothing is compared."""
MIXING: Final = 0.1
"""Effect, in standard deviations of the outcome, for which the always-valid interval is the tightest."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest harmful change of a guardrail, relative to the control, and whether harm is a rise or a fall."""

    relative: float
    is_rise: bool


GUARDRAILS: Final[Mapping[str, Tolerance]] = {
    "hides": Tolerance(0.05, is_rise=True),
    "reported_impressions": Tolerance(0.05, is_rise=True),
    "latency_ms": Tolerance(0.10, is_rise=True),
    "newcomer_impressions": Tolerance(0.10, is_rise=False),
}
"""Outcomes that stop an experiment."""
OUTCOMES: Final = frozenset({"acts", "clicks", "likes", "comments", "joins", "posts", "active_days"})
"""Outcomes that may be the primary metric."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Difference of an outcome between a variant and the control.

    Attributes:
        metric: outcome.
        control, treatment: means, adjusted by CUPED where it applies.
        difference: treatment minus control; ``low`` and ``high`` are its 95 % interval for a single look.
        always_low, always_high: 95 % interval that holds at every time at once.
        p_value: of Welch's test, for a single look.
        is_breach: whether a guardrail is harmed beyond its tolerance; False for other outcomes.
    """

    metric: str
    control: float
    treatment: float
    difference: float
    low: float
    high: float
    always_low: float
    always_high: float
    p_value: float
    is_breach: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against the control; ``effects`` has the primary metric first and then the guardrails."""

    variant: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Readout:
    """Comparison of all variants.

    Attributes:
        experiment: key.
        primary_metric: outcome that decides.
        users: number of exposed users by variant.
        sample_ratio_p_value: None below ``MIN_USERS``.
        refusal: why nothing is compared; empty if it is.
        comparisons: a variant each; none with a refusal.
    """

    experiment: str
    primary_metric: str
    users: dict[str, int]
    sample_ratio_p_value: float | None
    refusal: str
    comparisons: tuple[Comparison, ...]

    @property
    def breaches(self) -> list[str]:
        """Sentences about harmed guardrails."""
        return [
            f"{effect.metric} of {comparison.variant} {effect.treatment:.4g}, of the control {effect.control:.4g}"
            for comparison in self.comparisons
            for effect in comparison.effects
            if effect.is_breach
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the readout for the API."""
        return asdict(self) | {"breaches": self.breaches}


def read_out(
    users: pl.DataFrame,
    *,
    experiment: str,
    weights: Mapping[str, int],
    primary_metric: str,
    guardrails: Sequence[str],
) -> Readout:
    """Compare the variants.

    Args:
        users: a row per exposed user with ``variant``, the outcomes and ``COVARIATE``; null where a user has none.
        experiment: key.
        weights: weight of each variant, the control first. Other variants of weight zero are left out.
        primary_metric: outcome that decides.
        guardrails: names of ``GUARDRAILS``.

    Returns:
        A readout without comparisons, with the reason, if the control has no weight, a variant has fewer than
        ``MIN_USERS`` users, or the sizes of the variants do not fit their weights.
    """
    control, *others = (name for place, (name, weight) in enumerate(weights.items()) if weight > 0 or place == 0)
    known = users.filter(pl.col(VARIANT).is_in([control, *others]))
    counted = dict(known.group_by(VARIANT).len().iter_rows())
    sizes = {name: int(counted.get(name, 0)) for name in (control, *others)}
    if not weights[control]:
        return Readout(
            experiment, primary_metric, sizes, None, "The control has no weight, so that nothing is compared.", ()
        )
    if not others or min(sizes.values()) < MIN_USERS:
        return Readout(
            experiment, primary_metric, sizes, None, f"A variant has fewer than {MIN_USERS} exposed users.", ()
        )
    # One check of each variant against the control; the smallest p-value is corrected for their number.
    p_value = min(
        _sample_ratio(known, control=control, variant=name, ratio=weights[name] / weights[control]) for name in others
    )
    p_value = min(1.0, p_value * len(others))
    if p_value < SAMPLE_RATIO_ALPHA:
        refusal = "The sizes of the variants do not fit their weights: find the cause, and begin a new experiment."
        return Readout(experiment, primary_metric, sizes, p_value, refusal, ())
    metrics = list(dict.fromkeys([primary_metric, *guardrails]))
    comparisons = []
    for name in others:
        effects = [_effect(known, metric, control=control, variant=name, looks=len(others)) for metric in metrics]
        comparisons.append(Comparison(name, tuple(one for one in effects if one is not None)))
    return Readout(experiment, primary_metric, sizes, p_value, "", tuple(comparisons))


def always_valid_half_width(standard_error: float, *, users: tuple[int, int], alpha: float) -> float:
    """Return half of the width of the interval that holds at every time at once.

    Args:
        standard_error: of the difference.
        users: number of users of both variants.
        alpha: probability that the interval misses the difference at any time.
    """
    variance = standard_error**2
    if variance == 0:
        return 0.0
    # Standard deviation of the outcome of one user, from which the mixing variance follows.
    deviation = standard_error / math.sqrt(1 / users[0] + 1 / users[1])
    mixing = (MIXING * deviation) ** 2
    ratio = (variance + mixing) / variance
    return math.sqrt(variance * ratio * variance / mixing * (2 * math.log(1 / alpha) + math.log(ratio)))


def _sample_ratio(users: pl.DataFrame, *, control: str, variant: str, ratio: float) -> float:
    both = users.filter(pl.col(VARIANT).is_in([control, variant])).select(VARIANT)
    found: Any = tt.Experiment(check=tt.SampleRatio(ratio)).analyze(both, control=control)
    return float(found["check"].pvalue)


def _effect(users: pl.DataFrame, metric: str, *, control: str, variant: str, looks: int) -> Effect | None:
    """Return the effect on an outcome; None if a variant has fewer than ``MIN_USERS`` users with it."""
    columns = list(dict.fromkeys([metric, COVARIATE])) if metric in OUTCOMES else [metric]
    rows = users.filter(pl.col(VARIANT).is_in([control, variant])).select(VARIANT, *columns).drop_nulls()
    counted = dict(rows.group_by(VARIANT).len().iter_rows())
    sizes = (int(counted.get(control, 0)), int(counted.get(variant, 0)))
    if min(sizes) < MIN_USERS:
        return None
    values = rows.with_columns(pl.col(columns).cast(pl.Float64))
    if values[metric].n_unique() == 1:
        mean = float(values[metric][0])
        return Effect(metric, mean, mean, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, is_breach=False)
    has_covariate = COVARIATE in columns and values[COVARIATE].n_unique() > 1
    alpha = ALPHA / looks
    test = tt.Mean(metric, COVARIATE if has_covariate else None, confidence_level=1 - alpha)
    analysed: Any = tt.Experiment(effect=test).analyze(values, control=control)
    found = analysed["effect"]
    error = abs(found.effect_size / found.statistic) if found.statistic else _error(found, alpha=alpha)
    half = always_valid_half_width(error, users=sizes, alpha=alpha)
    low, high = found.effect_size - half, found.effect_size + half
    return Effect(
        metric,
        float(found.control),
        float(found.treatment),
        float(found.effect_size),
        float(found.effect_size_ci_lower),
        float(found.effect_size_ci_upper),
        float(low),
        float(high),
        float(found.pvalue),
        is_breach=_is_breach(metric, control=float(found.control), low=float(low), high=float(high)),
    )


def _error(found: Any, *, alpha: float) -> float:
    half = float(found.effect_size_ci_upper - found.effect_size_ci_lower) / 2
    return half / NormalDist().inv_cdf(1 - alpha / 2)


def _is_breach(metric: str, *, control: float, low: float, high: float) -> bool:
    tolerance = GUARDRAILS.get(metric)
    if tolerance is None:
        return False
    largest = tolerance.relative * abs(control)
    return low > largest if tolerance.is_rise else high < -largest
