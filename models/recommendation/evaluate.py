"""Metrics of a ranking, and how sure one can be of them. Every figure belongs to a named protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from models.recommendation.scoring import FloatArray, IntArray, top_k

K = 20
DRAWS = 1_000
CONFIDENCE = 0.95
_BLOCK_CELLS = 16_000_000

Scorer = Callable[[IntArray], FloatArray]
"""From rows of people to the (len(rows), n_items) scores of all items for them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankingMetrics:
    """Metrics of each judged person, in the order of ``users``; ``coverage`` is of the whole ranking.

    Attributes:
        users: rows of the people with at least one held-out item.
        recall: share of a person's held-out items among their first ``k``.
        ndcg: gain with discount ``1 / log2(place + 1)``, over that of the best possible order of ``k``.
        hit: whether any held-out item is among the first ``k``.
        coverage: share of all items that are among anybody's first ``k``.
    """

    k: int
    users: IntArray
    recall: FloatArray
    ndcg: FloatArray
    hit: FloatArray
    coverage: float

    def means(self, prefix: str = "") -> dict[str, float]:
        """Return the means by metric name, such as ``recall_at_20``."""
        return {
            f"{prefix}recall_at_{self.k}": float(self.recall.mean()),
            f"{prefix}ndcg_at_{self.k}": float(self.ndcg.mean()),
            f"{prefix}hit_at_{self.k}": float(self.hit.mean()),
            f"{prefix}coverage_at_{self.k}": self.coverage,
        }


def judged_users(held_out: sp.csr_matrix, *, at_most: int | None = None, seed: int = 0) -> IntArray:
    """Return the rows with held-out items, or a sample of ``at_most`` of them, sorted."""
    users = np.flatnonzero(np.diff(held_out.indptr))
    if at_most is not None and len(users) > at_most:
        users = np.sort(np.random.default_rng(seed).choice(users, at_most, replace=False))
    return users.astype(np.int64)


def evaluate(
    scorer: Scorer, *, seen: sp.csr_matrix, held_out: sp.csr_matrix, users: IntArray | None = None, k: int = K
) -> RankingMetrics:
    """Rank all items that each person has not ``seen`` and compare with what was held out.

    Args:
        scorer: scores of every item.
        seen: (users, items), items that are never recommended to the person.
        held_out: (users, items), the right answers.
        users: whom to judge; everyone with held-out items if left out.
        k: length of the judged list.
    """
    users = judged_users(held_out) if users is None else users
    n_items = seen.shape[1]
    k = min(k, n_items)
    recall, ndcg, hit = (np.zeros(len(users), dtype=np.float32) for _ in range(3))
    shown = np.zeros(n_items, dtype=bool)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([1.0], np.cumsum(discounts)))
    step = max(1, _BLOCK_CELLS // n_items)
    for start in range(0, len(users), step):
        block = users[start : start + step]
        scores = np.array(scorer(block), dtype=np.float32)
        scores[_cells(seen[block])] = -np.inf
        best = top_k(scores, k=k)
        shown[best] = True
        answers = np.zeros(scores.shape, dtype=bool)
        answers[_cells(held_out[block])] = True
        hits = np.take_along_axis(answers, best, axis=1)
        size = np.diff(held_out[block].indptr)
        place = slice(start, start + len(block))
        recall[place] = hits.sum(axis=1) / size
        ndcg[place] = (hits * discounts).sum(axis=1) / ideal[np.minimum(size, k)]
        hit[place] = hits.any(axis=1)
    return RankingMetrics(k, users, recall, ndcg, hit, float(shown.mean()))


def _cells(matrix: sp.csr_matrix) -> tuple[IntArray, IntArray]:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices


def bootstrap(values: FloatArray, *, seed: int, draws: int = DRAWS) -> Interval:
    """Return the mean over people with its percentile interval, drawing people with replacement.

    For the difference of two rankings give the differences of each person: the interval is then paired.
    """
    if len(values) == 0:
        return Interval(float("nan"), float("-inf"), float("inf"))
    generator = np.random.default_rng(seed)
    # A person's number of draws is all that matters: counts instead of copies keep a large set in memory.
    shares = np.full(len(values), 1.0 / len(values))
    means = np.array([generator.multinomial(len(values), shares) @ values for _ in range(draws)]) / len(values)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(values.mean()), float(low), float(high))
