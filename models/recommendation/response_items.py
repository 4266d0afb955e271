"""Items of the response model (``response``) and the parts of their scores for given users. Pure numpy, for serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.recommendation.scoring import FloatArray, IntArray

RIDGE: Final = 20.0
CATEGORY_VARIANCE: Final = 4.0
"""Prior variance of a category's coefficient, relative to that of one dimension of the embedding."""
RECENT_RESPONSE: Final = 1.0
"""Response to an item of the last hour above the mean: the kind of the act is unknown, between a click and a like."""
STATED_WEIGHT: Final = 0.3
"""Weight of the stated interests (``split_stated_interests``), on the scale of responses."""


@dataclass(frozen=True, slots=True)
class ResponseItems:
    """Items that the model describes: row i of each array belongs to ``item_ids[i]``.

    Attributes:
        category_rows: (n,) number of the category; ``categories`` for an item without a known one.
        embeddings: (n, d) unit text embeddings; d may be 0.
        categories: number of categories.
    """

    item_ids: Sequence[str]
    category_rows: IntArray
    embeddings: FloatArray
    categories: int

    @classmethod
    def of(
        cls, item_ids: Sequence[str], *, categories: Sequence[str], among: Sequence[str], embeddings: FloatArray
    ) -> ResponseItems:
        """Return the items, with the category of each, which counts if it is ``among`` those of the model."""
        number = {name: row for row, name in enumerate(among)}
        rows = np.array([number.get(name, len(among)) for name in categories], dtype=np.int64)
        return cls(item_ids, rows, embeddings, len(among))

    @property
    def width(self) -> int:
        """Length of the vector of a user: a coefficient per category and embedding dimension, and the bias."""
        return self.categories + int(self.embeddings.shape[1]) + 1

    def category_part(self, vectors: FloatArray) -> FloatArray:
        """Return (users, n): the coefficient of each item's category; zero without one."""
        none = np.zeros((len(vectors), 1), dtype=vectors.dtype)
        by_category = np.concatenate([vectors[:, : self.categories], none], axis=1)
        part: FloatArray = by_category[:, self.category_rows]
        return part

    def step_toward(self, row: int) -> tuple[FloatArray, FloatArray]:
        """Return by how much one more act with an item changes the two parts of each item's response.

        One step of recursive least squares for a user of whom nothing else is known.
        """
        category, text = self.category_rows[row], self.embeddings[row]
        is_known = category < self.categories
        variance = CATEGORY_VARIANCE * is_known + float(text @ text)
        gain = RECENT_RESPONSE / (RIDGE + variance)
        same: FloatArray = ((self.category_rows == category) & is_known).astype(np.float32)
        return gain * CATEGORY_VARIANCE * same, np.asarray(gain * (self.embeddings @ text), dtype=np.float32)

    def text_part(self, vectors: FloatArray) -> FloatArray:
        """Return (users, n): the taste of each user for each item's text."""
        part: FloatArray = vectors[:, self.categories : -1] @ self.embeddings.T
        return part
