"""Offline evaluation of link prediction: held-out follows and memberships against sampled negative pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.matching.pair_features import (
    CONNECTOR_FEATURES,
    USER_FEATURES,
    FeatureMatrix,
    PairFeatures,
    Weights,
    with_vectors,
)
from models.matching.scorer import DEFAULT_REGULARIZATION, LogisticScorer, fit, unweighted_sum
from models.matching.social_graph import BoolArray, IntArray, SocialGraph

SHARE = 0.2
TRAINED, HEURISTIC = "trained", "heuristic"
MIN_PAIRS = 50
"""Minimum number of held-out pairs of each label."""
MAX_COMPARISONS = 400_000_000
"""Budget of feature rows: candidates are scored against the full graph, so training and evaluation sample pairs."""
_RESAMPLES = 500


class NotEnoughDataError(ValueError):
    """There is too little data to train or to evaluate."""


@dataclass(frozen=True)
class EdgeSample:
    """Labeled pairs: (p, 2) row numbers and (p,) labels, 1 for a match, half of them."""

    pairs: IntArray
    labels: IntArray


@dataclass(frozen=True)
class MetricEstimate:
    """Metric with its 95 % bootstrap interval over pairs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class EvaluationReport:
    """Evaluation of scorers on held-out pairs.

    Attributes:
        auc: AUC by method.
        gain: AUC of the trained scorer minus that of the heuristic, paired.
        brier: Brier score of the trained scorer; 0.25 is that of a constant 0.5.
        probabilities, labels: (p,) predictions of the trained scorer and labels, for the calibration plot.
        pairs: number of pairs, half of them matches.
    """

    auc: dict[str, MetricEstimate]
    gain: MetricEstimate
    brier: float
    probabilities: Weights
    labels: IntArray
    pairs: int


@dataclass(frozen=True)
class MatchingTask:
    """Link prediction task: feature names, feature computation, hold-out method and untrained baseline."""

    features: tuple[str, ...]
    compute: Callable[[PairFeatures, int], FeatureMatrix]
    hold_out: Callable[..., tuple[SocialGraph, EdgeSample]]
    heuristic: LogisticScorer


def hold_out_edges(graph: SocialGraph, *, share: float = SHARE, seed: int) -> tuple[SocialGraph, EdgeSample]:
    """Return the graph without the held-out follows, and these with as many sampled pairs of unconnected users.

    The latest follows are held out when times are known, else random ones; every user keeps at least one.
    """
    n, generator = len(graph.users), np.random.default_rng(seed)
    undirected, same = np.unique(np.sort(graph.follows, axis=1), axis=0, return_inverse=True)
    at = np.full(len(undirected), np.iinfo(np.int64).max)
    np.minimum.at(at, same, graph.followed_at)
    held_out = _select_held_out(undirected, at, share=share, generator=generator, keep=(True, True))
    matches = undirected[held_out]
    remaining = graph.with_follows(graph.follows[~held_out[same]], graph.followed_at[~held_out[same]])
    negatives = sample_negatives(len(matches), (n, n), taken=undirected, generator=generator, ordered=False)
    return remaining, labeled_sample(matches, negatives)


def hold_out_memberships(graph: SocialGraph, *, share: float = SHARE, seed: int) -> tuple[SocialGraph, EdgeSample]:
    """Return the graph without the held-out memberships, and these with as many negatives; as ``hold_out_edges``."""
    generator = np.random.default_rng(seed)
    shape = (len(graph.users), len(graph.connectors))
    held_out = _select_held_out(graph.members, graph.joined_at, share=share, generator=generator, keep=(True, False))
    remaining = graph.with_members(graph.members[~held_out], graph.joined_at[~held_out])
    return remaining, labeled_sample(
        graph.members[held_out], sample_negatives(int(held_out.sum()), shape, taken=graph.members, generator=generator)
    )


# The heuristics are untrained: sums of features.
USERS = MatchingTask(
    USER_FEATURES,
    PairFeatures.user_features,
    hold_out_edges,
    unweighted_sum(USER_FEATURES, "adamic_adar", "shared_connectors", "shared_interests", "locality", "cell_proximity"),
)
CONNECTORS = MatchingTask(
    CONNECTOR_FEATURES,
    PairFeatures.connector_features,
    hold_out_memberships,
    unweighted_sum(CONNECTOR_FEATURES, "followed_members", "co_membership", "category_interest"),
)


def hold_out(graph: SocialGraph, task: MatchingTask, *, seed: int) -> tuple[SocialGraph, EdgeSample]:
    """Return the remaining graph and a sample of held-out pairs; raises ``NotEnoughDataError`` for too few pairs."""
    remaining, held_out = task.hold_out(graph, seed=seed)
    negatives, matches = np.bincount(held_out.labels, minlength=2)
    if min(matches, negatives) < MIN_PAIRS:
        raise NotEnoughDataError(
            f"{matches} matches could be held out, with {negatives} negatives; {MIN_PAIRS} of each are needed"
        )
    return remaining, _subsample(held_out, most=max(MIN_PAIRS, MAX_COMPARISONS // len(graph.users) // 2), seed=seed)


def _subsample(pairs: EdgeSample, *, most: int, seed: int) -> EdgeSample:
    """Return a random sample of at most ``most`` matches and negatives, in their order."""
    generator = np.random.default_rng(seed)
    sampled = [generator.permutation(np.flatnonzero(pairs.labels == label))[:most] for label in (0, 1)]
    rows = np.sort(np.concatenate(sampled))
    return EdgeSample(pairs.pairs[rows], pairs.labels[rows])


def train_scorer(
    graph: SocialGraph, task: MatchingTask, *, seed: int, regularization: float = DEFAULT_REGULARIZATION
) -> LogisticScorer:
    """Train a scorer on held-out pairs of the graph.

    Raises:
        NotEnoughDataError: when there are too few pairs.
    """
    remaining, held_out = hold_out(graph, task, seed=seed)
    features = features_of(PairFeatures(with_vectors(remaining)), held_out.pairs, compute=task.compute)
    return fit(task.features, features, held_out.labels, regularization=regularization)


def features_of(
    pair_features: PairFeatures, pairs: IntArray, *, compute: Callable[[PairFeatures, int], FeatureMatrix]
) -> FeatureMatrix:
    """Return (p, f) features of pairs; the first of each pair is the user for whom features are computed."""
    rows: list[FeatureMatrix] = [np.zeros(0, dtype=np.float32)] * len(pairs)
    order = np.argsort(pairs[:, 0], kind="stable")
    users, begins = np.unique(pairs[order, 0], return_index=True)
    for user, of_user in zip(users, np.split(order, begins[1:]), strict=True):
        for row, found in zip(of_user, compute(pair_features, int(user))[pairs[of_user, 1]], strict=True):
            rows[row] = found
    return np.stack(rows)


def evaluate_scorers(
    features: FeatureMatrix, labels: IntArray, *, methods: dict[str, LogisticScorer], seed: int
) -> EvaluationReport:
    """Evaluate scorers by name, ``trained`` and ``heuristic`` among them, on the same pairs."""
    generator = np.random.default_rng(seed)
    probabilities = {name: method.probability(features) for name, method in methods.items()}
    draws = [generator.integers(0, len(labels), len(labels)) for _ in range(_RESAMPLES)]
    aucs = {
        name: np.array([roc_auc_score(labels[rows], found[rows]) for rows in draws])
        for name, found in probabilities.items()
    }
    whole = {name: float(roc_auc_score(labels, found)) for name, found in probabilities.items()}
    return EvaluationReport(
        auc={name: _estimate(whole[name], resampled) for name, resampled in aucs.items()},
        gain=_estimate(whole[TRAINED] - whole[HEURISTIC], aucs[TRAINED] - aucs[HEURISTIC]),
        brier=float(brier_score_loss(labels, probabilities[TRAINED])),
        probabilities=probabilities[TRAINED],
        labels=labels,
        pairs=len(labels),
    )


def _estimate(value: float, resampled: Weights) -> MetricEstimate:
    low, high = np.quantile(resampled, (0.025, 0.975))
    return MetricEstimate(value, float(low), float(high))


def _select_held_out(
    pairs: IntArray, at: IntArray, *, share: float, generator: np.random.Generator, keep: tuple[bool, bool]
) -> BoolArray:
    """Return the mask of held-out pairs; every row of a side in ``keep`` retains at least one pair."""
    left = [np.bincount(pairs[:, side]) if len(pairs) else np.zeros(0, dtype=np.int64) for side in (0, 1)]
    if keep == (True, True):  # Follows have users on both sides.
        size = max(map(len, left), default=0)
        total = np.sum([np.pad(counts, (0, size - len(counts))) for counts in left], axis=0)
        left = [total, total]
    shuffled = generator.permutation(len(pairs))
    order = shuffled if not at.any() else shuffled[np.argsort(-at[shuffled], kind="stable")]
    held_out, remaining_number = np.zeros(len(pairs), dtype=bool), int(len(pairs) * share)
    for row in order:
        if remaining_number == 0:
            break
        ends = [(left[side], pairs[row, side]) for side in (0, 1) if keep[side]]
        if all(counts[end] > 1 for counts, end in ends):
            for counts, end in ends:
                counts[end] -= 1
            held_out[row], remaining_number = True, remaining_number - 1
    return held_out


def sample_negatives(
    number: int, shape: tuple[int, int], *, taken: IntArray, generator: np.random.Generator, ordered: bool = True
) -> IntArray:
    """Sample distinct pairs that are not in ``taken``; fewer when there are not enough.

    Unordered pairs have the smaller row number first, in ``taken`` as well, and no pair is of a user with themselves.
    """
    known = set((taken[:, 0] * shape[1] + taken[:, 1]).tolist())
    possible = shape[0] * shape[1] if ordered else shape[0] * (shape[0] - 1) // 2
    number = min(number, (possible - len(known)) // 4)
    found: dict[int, None] = {}
    while len(found) < number:
        pairs = generator.integers(0, shape, size=(number, 2))
        if not ordered:
            pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
        fresh = (key for key in (pairs[:, 0] * shape[1] + pairs[:, 1]).tolist() if key not in known)
        found |= dict.fromkeys(fresh)
    keys = np.array(list(found)[:number], dtype=np.int64)
    return np.stack((keys // shape[1], keys % shape[1]), axis=1) if number else np.zeros((0, 2), dtype=np.int64)


def labeled_sample(matches: IntArray, negatives: IntArray) -> EdgeSample:
    """Return matches and negatives with their labels."""
    labels = np.concatenate((np.ones(len(matches), dtype=np.int64), np.zeros(len(negatives), dtype=np.int64)))
    return EdgeSample(np.concatenate((matches, negatives)), labels)
