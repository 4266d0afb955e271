"""Ranking by a filter on the graph of users and items; nothing is trained.

The method is ChebyCF (SIGIR 2025). ``R`` is the 0/1 matrix of interactions and ``N = Du^-1/2 R Di^-1/2``, with the
numbers of items of each user and of users of each item. The eigenvalues of ``L = I - N'N`` are from zero (smooth over
the graph) to one. With ``s`` the items of a user,

    scores = Di^damping (p(L) + low_pass V V') Di^-damping s

where ``p`` is a Chebyshev polynomial that falls from one to zero with a plateau in the middle, and ``V`` are the first
right singular vectors of ``N``. A score is a sum over the items of the user.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.polynomial import chebyshev
from sklearn.utils.extmath import randomized_svd

from models.recommendation.data import Split, SplitProtocol
from models.recommendation.model_selection import Progress, objective
from models.recommendation.ranking_metrics import K, Scorer, evaluate, evaluated_users
from models.recommendation.scoring import FloatArray

# Users whose scores are computed at once: enough for vector instructions, few enough for the processor's cache.
_BLOCK_USERS = 64
_POWER_ITERATIONS = 3


@dataclass(frozen=True, slots=True)
class FilterParameters:
    """Parameters of the filter.

    Attributes:
        degree: of the polynomial; reaches items over paths of up to twice as many interactions.
        flatness: of the plateau: one is a straight line, higher values are flatter in the middle.
        vectors: number of singular vectors.
        low_pass: weight of the projection on them.
        damping: exponent of the number of users of an item; higher values favor popular items.
    """

    degree: int = 7
    flatness: float = 1.5
    vectors: int = 256
    low_pass: float = 0.2
    damping: float = 0.4

    def as_dict(self) -> dict[str, float]:
        """Return the values by name."""
        return asdict(self)


def plateau_coefficients(degree: int, *, flatness: float) -> FloatArray:
    """Return the ``degree + 1`` Chebyshev coefficients of the plateau, in ``x = 2 lambda - 1`` from -1 to 1."""
    nodes = chebyshev.chebpts1(degree + 1)
    plateau = 0.5 - 0.5 * np.sign(nodes) * np.abs(nodes) ** flatness
    return np.asarray(chebyshev.chebfit(nodes, plateau, degree), dtype=np.float32)


@dataclass(frozen=True)
class GraphFilter:
    """Filter of one matrix of interactions.

    Attributes:
        normalized: (users, items) ``N``.
        transposed: (items, users) ``N'``.
        counts: (items,) number of users of each item, at least one.
        vectors: (items, parameters.vectors) ``V``.
    """

    normalized: sp.csr_matrix
    transposed: sp.csr_matrix
    counts: FloatArray
    vectors: FloatArray
    parameters: FilterParameters

    @classmethod
    def build(cls, interactions: sp.csr_matrix, *, parameters: FilterParameters, seed: int) -> GraphFilter:
        """Normalize the (users, items) matrix, of which only the non-zero places count, and decompose it."""
        graph = sp.csr_matrix(interactions, dtype=np.float32, copy=True)
        graph.eliminate_zeros()
        graph.data[:] = 1.0
        of_users = np.maximum(np.diff(graph.indptr), 1).astype(np.float32)
        of_items = np.maximum(np.bincount(graph.indices, minlength=graph.shape[1]), 1).astype(np.float32)
        graph.data = (np.repeat(of_users, np.diff(graph.indptr)) * of_items[graph.indices]) ** -0.5
        width = min(parameters.vectors, *graph.shape)
        vectors = np.zeros((graph.shape[1], 0), dtype=np.float32)
        if width and parameters.low_pass:
            _, _, rows = randomized_svd(graph, width, n_iter=_POWER_ITERATIONS, random_state=seed)
            vectors = np.ascontiguousarray(rows.T, dtype=np.float32)
        return cls(graph, sp.csr_matrix(graph.T), of_items, vectors, parameters)

    def with_parameters(self, parameters: FilterParameters) -> GraphFilter:
        """Return the filter with other parameters, without more vectors than were computed, and the same degree."""
        width = parameters.vectors if parameters.low_pass else 0
        return replace(self, vectors=self.vectors[:, :width], parameters=parameters)

    def scores(self, histories: sp.csr_matrix) -> FloatArray:
        """Return the (n, items) scores of users from their (n, items) interactions; only non-zero places count."""
        scores = np.empty(histories.shape, dtype=np.float32)
        for start in range(0, len(scores), _BLOCK_USERS):
            block = histories[start : start + _BLOCK_USERS]
            scores[start : start + _BLOCK_USERS] = self.combine(self.signal(block)).T
        return scores

    def signal(self, histories: sp.csr_matrix) -> FloatArray:
        """Return the damped (items, n) interactions of n users."""
        signal = sp.csr_matrix(histories, dtype=np.float32, copy=True)
        signal.eliminate_zeros()
        signal.data = self.counts[signal.indices] ** -self.parameters.damping
        return np.ascontiguousarray(signal.toarray().T)

    def scorer(self, histories: sp.csr_matrix) -> Scorer:
        """Return the scorer of the users of a (users, items) matrix."""
        return lambda users: self.scores(histories[users])

    def combine(self, signal: FloatArray) -> FloatArray:
        """Return the (items, n) scores of a signal."""
        coefficients = plateau_coefficients(self.parameters.degree, flatness=self.parameters.flatness)
        total = coefficients[0] * signal
        earlier, current = signal, self._shifted_laplacian(signal)
        for position, coefficient in enumerate(coefficients[1:], start=1):
            if position > 1:
                earlier, current = current, 2.0 * self._shifted_laplacian(current) - earlier
            total += coefficient * current
        if self.vectors.shape[1]:
            total += self.parameters.low_pass * (self.vectors @ (self.vectors.T @ signal))
        total *= (self.counts**self.parameters.damping)[:, None]
        return np.asarray(total)

    def _shifted_laplacian(self, signal: FloatArray) -> FloatArray:
        """Return ``(2 L - I) signal``."""
        return np.asarray(signal - 2.0 * (self.transposed @ (self.normalized @ signal)))


# One parameter is chosen after the other, in this order, beginning with the defaults.
SEARCH: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("damping", (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
    ("vectors", (16, 64, 256, 512)),
    ("low_pass", (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)),
    ("flatness", (1.0, 1.5, 2.0)),
    ("degree", (1, 3, 7)),
)
_MAX_USERS = 1_500


def select_and_fit(
    split: Split, *, protocol: SplitProtocol, seed: int, k: int = K, progress: Progress = lambda _: None
) -> GraphFilter:
    """Return the filter of ``split.train`` with the parameters that are the best on earlier splits of it."""
    parameters = select_parameters(split, protocol=protocol, k=k, seed=seed, progress=progress)
    return GraphFilter.build(split.matrix.weights, parameters=parameters, seed=seed)


def select_parameters(
    split: Split, *, protocol: SplitProtocol, k: int, seed: int, progress: Progress
) -> FilterParameters:
    """Return the parameters with the best objective on an earlier split by the same protocol; ``test`` is not read."""
    validation = protocol.split(split.train)
    matrix = validation.matrix
    held_out = matrix.encode(validation.test)
    users = evaluated_users(held_out, at_most=_MAX_USERS, seed=seed)
    widest = max(dict(SEARCH)["vectors"])
    whole = GraphFilter.build(matrix.weights, parameters=FilterParameters(vectors=widest), seed=seed)

    @cache
    def score(parameters: FilterParameters) -> float:
        scorer = whole.with_parameters(parameters).scorer(matrix.weights)
        found = objective(evaluate(scorer, seen=validation.mask, held_out=held_out, users=users, k=k))
        progress(f"{parameters.as_dict()}: validation objective {found:.4f}")
        return found

    best = FilterParameters()
    for name, values in SEARCH:
        best = max((replace(best, **{name: value}) for value in values), key=score)
    return best
