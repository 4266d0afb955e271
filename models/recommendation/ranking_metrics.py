"""Ranking metrics with bootstrap confidence intervals. Every value belongs to a named split protocol."""

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

PageOrder = Callable[[FloatArray, int], IntArray]
"""Function from the masked scores of one user to the first ``k`` items of the served page."""
Scorer = Callable[[IntArray], FloatArray]
"""Function from user rows to their (len(rows), n_items) scores of all items."""


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """Mean with its bootstrap confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankingMetrics:
    """Metrics of each evaluated user, in the order of ``users``; ``coverage`` is of the whole ranking.

    Attributes:
        users: rows of the users with at least one held-out item.
        recall: share of a user's held-out items among their first ``k``.
        ndcg: DCG with discount ``1 / log2(rank + 1)``, over the ideal DCG (Järvelin and Kekäläinen, 2002).
        hit: whether any held-out item is among the first ``k``.
        coverage: share of all items that are among any user's first ``k``.
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


def evaluated_users(held_out: sp.csr_matrix, *, at_most: int | None = None, seed: int = 0) -> IntArray:
    """Return the rows with held-out items, or a sample of ``at_most`` of them, sorted."""
    users = np.flatnonzero(np.diff(held_out.indptr))
    if at_most is not None and len(users) > at_most:
        users = np.sort(np.random.default_rng(seed).choice(users, at_most, replace=False))
    return users.astype(np.int64)


def evaluate(
    scorer: Scorer,
    *,
    seen: sp.csr_matrix,
    held_out: sp.csr_matrix,
    users: IntArray | None = None,
    k: int = K,
    page: PageOrder | None = None,
    closed: IntArray | None = None,
) -> RankingMetrics:
    """Rank all items that are not masked for a user and compare with the held-out items.

    Args:
        scorer: scores of every item.
        seen: (users, items), the masked items.
        held_out: (users, items), the relevant items.
        users: rows to evaluate; all users with held-out items if left out.
        k: length of the evaluated list.
        page: order of the served page; the order of the scores if left out.
        closed: columns of items that are recommended to nobody.
    """
    users = evaluated_users(held_out) if users is None else users
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
        if closed is not None:
            scores[:, closed] = -np.inf
        best = top_k(scores, k=k) if page is None else np.array([page(row, k) for row in scores])
        shown[best] = True
        relevant = np.zeros(scores.shape, dtype=bool)
        relevant[_cells(held_out[block])] = True
        hits = np.take_along_axis(relevant, best, axis=1)
        size = np.diff(held_out[block].indptr)
        block_rows = slice(start, start + len(block))
        recall[block_rows] = hits.sum(axis=1) / size
        ndcg[block_rows] = (hits * discounts).sum(axis=1) / ideal[np.minimum(size, k)]
        hit[block_rows] = hits.any(axis=1)
    return RankingMetrics(k, users, recall, ndcg, hit, float(shown.mean()))


def _cells(matrix: sp.csr_matrix) -> tuple[IntArray, IntArray]:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices


def bootstrap(values: FloatArray, *, seed: int, draws: int = DRAWS) -> ConfidenceInterval:
    """Return the mean over users with its percentile bootstrap interval (Efron, 1979), resampling users.

    For the difference of two rankings pass the differences per user: the interval is then paired.
    """
    if len(values) == 0:
        return ConfidenceInterval(float("nan"), float("-inf"), float("inf"))
    generator = np.random.default_rng(seed)
    # Only the number of draws per user matters: counts instead of copies limit the memory of a large data set.
    shares = np.full(len(values), 1.0 / len(values))
    means = np.array([generator.multinomial(len(values), shares) @ values for _ in range(draws)]) / len(values)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return ConfidenceInterval(float(values.mean()), float(low), float(high))
