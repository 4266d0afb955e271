"""Readouts of simulated experiments: false alarms, known effects, broken assignments and guardrails."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.experiments.statistics import ALPHA, COVARIATE, GUARDRAILS, MIN_USERS, Readout, read_out

HALVES = {"control": 1, "new": 1}


def simulated(
    generator: np.random.Generator, *, sizes: tuple[int, int] = (1_000, 1_000), gain: float = 0.0, **harm: float
) -> pl.DataFrame:
    """Return users whose acts follow those of the week before; ``gain`` and ``harm`` are relative, of the variant."""
    total = sum(sizes)
    is_new = np.repeat([0, 1], sizes)
    habit = generator.gamma(2.0, 5.0, total)
    columns: dict[str, Any] = {
        "variant": np.where(is_new, "new", "control"),
        COVARIATE: generator.poisson(habit),
        "acts": generator.poisson(habit * (1 + gain * is_new)),
    }
    for name, mean in {"hides": 2.0, "reported_impressions": 1.0, "newcomer_impressions": 10.0}.items():
        columns[name] = generator.poisson(mean * (1 + harm.get(name, 0.0) * is_new))
    columns["latency_ms"] = generator.normal(30 * (1 + harm.get("latency_ms", 0.0) * is_new), 5.0)
    return pl.DataFrame(columns)


def readout(users: pl.DataFrame, *, weights: dict[str, int] = HALVES) -> Readout:
    return read_out(users, experiment="try", weights=weights, primary_metric="acts", guardrails=list(GUARDRAILS))


def test_equal_variants_keep_the_rate_of_false_alarms() -> None:
    generator = np.random.default_rng(1)
    single = always = stopped = refused = 0
    runs, looks = 100, (500, 1_000, 1_500, 2_000)
    for _ in range(runs):
        new = int(generator.binomial(2_000, 0.5))
        users = simulated(generator, sizes=(2_000 - new, new)).sample(fraction=1.0, shuffle=True, seed=new)
        is_alarm = False
        for size in looks:
            found = readout(users.head(size))
            refused += bool(found.refusal)
            if found.refusal:
                continue
            [comparison] = found.comparisons
            effect = comparison.effects[0]
            is_alarm |= not effect.always_low <= 0 <= effect.always_high
            stopped += bool(found.breaches)
        single += not effect.low <= 0 <= effect.high
        always += is_alarm
    # Four standard deviations of a binomial at most.
    most = runs * ALPHA + 4 * (runs * ALPHA * (1 - ALPHA)) ** 0.5
    assert (single <= most, always <= runs * ALPHA, stopped, refused <= len(looks)) == (True, True, 0, True)


def test_a_known_effect_is_found_and_cuped_narrows_it() -> None:
    users = simulated(np.random.default_rng(2), gain=0.15)
    [comparison] = readout(users).comparisons
    effect = comparison.effects[0]
    assert effect.always_low > 0
    assert effect.low < 0.15 * 10 < effect.high
    [plain] = readout(users.with_columns(pl.lit(0).alias(COVARIATE))).comparisons
    assert effect.high - effect.low < 0.8 * (plain.effects[0].high - plain.effects[0].low)


def test_a_broken_sample_ratio_refuses_the_readout() -> None:
    users = simulated(np.random.default_rng(3), sizes=(1_000, 800))
    broken = readout(users)
    assert (broken.comparisons, "do not fit their weights" in broken.refusal) == ((), True)
    assert readout(users, weights={"control": 5, "new": 4}).comparisons
    without = readout(users, weights={"published": 0, "control": 5, "new": 4})
    assert (without.comparisons, "control has no weight" in without.refusal) == ((), True)
    few = readout(users.group_by("variant", maintain_order=True).head(MIN_USERS - 1))
    assert (few.comparisons, few.sample_ratio_p_value, "fewer than" in few.refusal) == ((), None, True)


@pytest.mark.parametrize("name", GUARDRAILS)
def test_harm_beyond_its_tolerance_is_a_breach(name: str) -> None:
    harm = 0.8 if GUARDRAILS[name].is_rise else -0.8
    for change, breaches in ((harm, [name]), (-harm, [])):
        found = readout(simulated(np.random.default_rng(4), **{name: change}))
        assert [one.split(" ")[0] for one in found.breaches] == breaches
