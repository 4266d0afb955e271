"""Score of an item for a user: a sum of four components, the same in evaluation and in serving.

    score = x_u . y_i  +  p * popularity_i  +  c * cos(content_u, embedding_i)  +  a * affinity_u[category_i]

where the affinity of a user blends their interactions with their stated interests (``blend_stated_interests``).

``x_u . y_i`` is implicit-feedback matrix factorization (Hu, Koren and Volinsky, "Collaborative Filtering for Implicit
Feedback Datasets", ICDM 2008). A cold item gets a ``y_i`` predicted from its text (Gantner et al., "Learning
Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010). A cold user, without ``x_u``, is ranked by
the other three components under separate weights. Pure numpy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BlendWeights:
    """Weights of popularity, content and affinity relative to the collaborative component, whose weight is one."""

    popularity: float = 0.0
    content: float = 0.0
    affinity: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


STATED_EVIDENCE = 12.0
"""Weight of a user's stated interests: as much as interactions of this total weight (four likes)."""


def evidence_of(value: float | None) -> float:
    """Return the interaction weight behind an affinity; that of the prior for a row without it."""
    return STATED_EVIDENCE if value is None else float(value)


def blend_stated_interests(affinity: FloatArray, *, evidence: FloatArray, stated: FloatArray) -> FloatArray:
    """Return the affinity by interactions, with the stated interests as a prior.

    Without interactions the stated interests count alone; each interaction reduces their share:
    ``(evidence * affinity + STATED_EVIDENCE * stated) / (evidence + STATED_EVIDENCE)``. Training, evaluation and
    serving call this function.

    Args:
        affinity: (n, c) weight of each category by a user's interactions; a row sums to one, or is zero.
        evidence: (n,) interaction weight behind each row.
        stated: (n, c) one where the user stated that interest, else zero.
    """
    acts, prior = split_stated_interests(affinity, evidence=evidence, stated=stated)
    return np.asarray(acts + prior, dtype=np.float32)


def split_stated_interests(
    affinity: FloatArray, *, evidence: FloatArray, stated: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the two summands of ``blend_stated_interests``: by interactions, and by stated interests."""
    counts = stated.sum(axis=-1, keepdims=True)
    shares = np.divide(stated, counts, out=np.zeros_like(stated, dtype=np.float32), where=counts > 0)
    prior = np.where(counts > 0, STATED_EVIDENCE, 0.0)
    acts = np.where(affinity.any(axis=-1, keepdims=True), evidence[..., None], 0.0)
    total = acts + prior

    def part(weighted: FloatArray) -> FloatArray:
        divided: FloatArray = np.divide(weighted, total, out=np.zeros(weighted.shape), where=total > 0)
        return divided

    return part(acts * affinity), part(prior * shares)


def normalize_rows(matrix: FloatArray) -> FloatArray:
    """Scale each row to length one; rows of zeros stay zeros."""
    norms = np.linalg.norm(matrix, axis=-1, keepdims=True)
    scaled: FloatArray = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    return scaled


def top_k(scores: FloatArray, *, k: int) -> IntArray:
    """Return the positions of the ``k`` highest scores of each row, best first; deterministic."""
    k = min(k, scores.shape[-1])
    # A full stable sort of a few thousand scores is cheap; of more, only the best are sorted.
    if scores.shape[-1] <= 4 * k:
        return np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    best = np.sort(np.argpartition(-scores, k - 1, axis=-1)[..., :k], axis=-1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(best, order, axis=-1)


def solve_user(
    item_factors: FloatArray, *, gram: FloatArray, items: IntArray, confidence: FloatArray, regularization: float
) -> FloatArray:
    """Fold one user into fixed item factors: the user half-step of implicit ALS (Hu, Koren and Volinsky, 2008).

    Args:
        item_factors: (n_items, f).
        gram: (f, f), ``item_factors.T @ item_factors``.
        items: positions of the items that the user interacted with.
        confidence: confidence of each of them, at least one; every other item has confidence one.
        regularization: L2 penalty that the factors were trained with.

    Returns:
        The user's factors (f,), float32.
    """
    taken = item_factors[items].astype(np.float64)
    system = gram + (taken.T * (confidence - 1.0)) @ taken + regularization * np.eye(gram.shape[0])
    return np.linalg.solve(system, taken.T @ confidence.astype(np.float64)).astype(np.float32)
