"""The score of an item for a person: one sum of four terms, the same in evaluation and in serving.

    score = x_u . y_i  +  p * popularity_i  +  c * cos(content_u, embedding_i)  +  a * affinity_u[category_i]

``x_u . y_i`` is implicit-feedback matrix factorisation (Hu, Koren, Volinsky 2008). An item that nobody has met
has no ``y_i`` of its own: it gets one from its text (Gantner et al. 2010), so that it competes in the same sum.
Someone without ``x_u`` is ranked by the other three terms under their own weights. Pure numpy.
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
    """Weights of popularity, content and affinity beside the collaborative term, whose weight is one."""

    popularity: float = 0.0
    content: float = 0.0
    affinity: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def normalise_rows(matrix: FloatArray) -> FloatArray:
    """Scale each row to length one; rows of zeros stay zeros."""
    norms = np.linalg.norm(matrix, axis=-1, keepdims=True)
    scaled: FloatArray = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    return scaled


def top_k(scores: FloatArray, *, k: int) -> IntArray:
    """Return the positions of the ``k`` highest scores of each row, best first; the same input, the same answer."""
    k = min(k, scores.shape[-1])
    # A full stable sort of a few thousand is cheap; for more, only the rows' best are sorted.
    if scores.shape[-1] <= 4 * k:
        return np.argsort(-scores, axis=-1, kind="stable")[..., :k]
    best = np.sort(np.argpartition(-scores, k - 1, axis=-1)[..., :k], axis=-1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(best, order, axis=-1)


def solve_user(
    item_factors: FloatArray, *, gram: FloatArray, items: IntArray, confidence: FloatArray, regularization: float
) -> FloatArray:
    """Fold one person into fixed item factors: the user half-step of implicit ALS.

    Args:
        item_factors: (n_items, f).
        gram: (f, f), ``item_factors.T @ item_factors``.
        items: positions of the items that the person took up.
        confidence: confidence of each of them, at least one; every other item has confidence one.
        regularization: the ridge that the factors were trained with.

    Returns:
        The person's factors (f,), float32.
    """
    taken = item_factors[items].astype(np.float64)
    system = gram + (taken.T * (confidence - 1.0)) @ taken + regularization * np.eye(gram.shape[0])
    return np.linalg.solve(system, taken.T @ confidence.astype(np.float64)).astype(np.float32)
