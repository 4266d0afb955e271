"""Match score of pair features: a logistic regression, small enough to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.matching.pair_features import FeatureMatrix, Weights
from models.matching.social_graph import IntArray

DEFAULT_REGULARIZATION = 1.0
_CONSTANT_BELOW = 1e-9


@dataclass(frozen=True)
class LogisticScorer:
    """Weight of each feature, and a bias; ``probability`` is calibrated for the training sample, half of it matches."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    def log_odds(self, features: FeatureMatrix) -> Weights:
        """Return (n,) log odds of (n, f) features: monotonic in the probability and cheaper to compute."""
        # In the precision of the features: a conversion takes ten times as long as the product.
        sums = (features @ np.array(self.weights, dtype=features.dtype)).astype(np.float64)
        return sums + self.bias

    def probability(self, features: FeatureMatrix) -> Weights:
        """Return (n,) probabilities of (n, f) features."""
        return sigmoid(self.log_odds(features))

    def as_json(self) -> str:
        """Return the scorer as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LogisticScorer:
        """Return the scorer of the parsed output of ``as_json``; raises ``ValueError`` for another format."""
        try:
            return cls(tuple(values["features"]), tuple(values["weights"]), float(values["bias"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a scorer: {error}") from error


def sigmoid(log_odds: Weights) -> Weights:
    """Return the probabilities of log odds."""
    probabilities: Weights = 1 / (1 + np.exp(-log_odds))
    return probabilities


def fit(
    names: tuple[str, ...],
    features: FeatureMatrix,
    labels: IntArray,
    *,
    regularization: float = DEFAULT_REGULARIZATION,
) -> LogisticScorer:
    """Fit the weights to labels, 1 for a match, with an L2 penalty; constant features get weight zero."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    varies = spread > _CONSTANT_BELOW
    scaled = (features[:, varies] - mean[varies]) / spread[varies]
    model = LogisticRegression(C=1 / regularization, max_iter=1_000).fit(scaled, labels)
    weights = np.zeros(len(names))
    weights[varies] = model.coef_[0] / spread[varies]
    return LogisticScorer(names, tuple(map(float, weights)), float(model.intercept_[0] - weights @ mean))


def unweighted_sum(names: tuple[str, ...], *counted: str) -> LogisticScorer:
    """Return the heuristic that sums some features without training."""
    return LogisticScorer(names, tuple(float(name in counted) for name in names), bias=-float(len(counted)))
