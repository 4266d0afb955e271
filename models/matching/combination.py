"""How signs become one chance: a logistic regression, small enough to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.matching.graph import Signs, Weights
from models.matching.town import IntArray

_STRENGTH = 1.0
_FLAT = 1e-9


@dataclass(frozen=True)
class Combination:
    """A weight a sign, and a bias; ``chance`` is calibrated for pairs drawn as in training, one in two a match."""

    signs: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    def log_odds(self, signs: Signs) -> Weights:
        """Return (n,) log odds of (n, s) signs: in the order of the chances, and sooner made."""
        # In the signs' own precision: widening them takes ten times as long as adding them up.
        sums = (signs @ np.array(self.weights, dtype=signs.dtype)).astype(np.float64)
        return sums + self.bias

    def chance(self, signs: Signs) -> Weights:
        """Return (n,) chances from 0 to 1 of (n, s) signs."""
        return chance_of(self.log_odds(signs))

    def as_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of(cls, written: dict[str, object]) -> Combination:
        """Read what ``as_json`` wrote."""
        signs, weights, bias = written["signs"], written["weights"], written["bias"]
        return cls(tuple(signs), tuple(weights), bias)  # type: ignore[arg-type]


def chance_of(log_odds: Weights) -> Weights:
    """Return the chances from 0 to 1 of log odds."""
    found: Weights = 1 / (1 + np.exp(-log_odds))
    return found


def fit(names: tuple[str, ...], signs: Signs, labels: IntArray) -> Combination:
    """Learn how signs speak for a match; those that never differ get no weight."""
    mean, spread = signs.mean(axis=0), signs.std(axis=0)
    varies = spread > _FLAT
    scaled = (signs[:, varies] - mean[varies]) / spread[varies]
    model = LogisticRegression(C=_STRENGTH, max_iter=1_000).fit(scaled, labels)
    weights = np.zeros(len(names))
    weights[varies] = model.coef_[0] / spread[varies]
    return Combination(names, tuple(map(float, weights)), float(model.intercept_[0] - weights @ mean))


def rule_of(names: tuple[str, ...], *counted: str) -> Combination:
    """Return the rule that adds up some signs as they are."""
    return Combination(names, tuple(float(name in counted) for name in names), bias=-float(len(counted)))
