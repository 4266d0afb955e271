"""Items of the response model (``response``) and the parts of their scores for given users. Pure numpy, for serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.recommendation.scoring import FloatArray, IntArray

RIDGE: Final = 20.0
CATEGORY_VARIANCE: Final = 8.0
"""Prior variance of a category's coefficient, relative to that of one dimension of the texts."""
TEXT_WEIGHT: Final = 0.7
CONNECTOR_TEXT_WEIGHT: Final = 1.4
"""Weights of an item's own text and of the text of its connector, which says what the connector's items are about."""
RECENT_RESPONSE: Final = 1.0
"""Response to an item of the last hour above the mean: the kind of the act is unknown, between a click and a like."""
STATED_WEIGHT: Final = 0.3
"""Weight of the stated interests (``split_stated_interests``), on the scale of responses."""


@dataclass(frozen=True, slots=True)
class ConnectorTexts:
    """Texts of the connectors of n items.

    Attributes:
        embeddings: (m, d) unit embeddings of the connectors' texts.
        rows: (n,) row of each item's connector, -1 for none.
        is_own: whether the items are the connectors themselves, which have no other text.
    """

    embeddings: FloatArray
    rows: IntArray
    is_own: bool = False

    @classmethod
    def none(cls, count: int, *, width: int) -> ConnectorTexts:
        """Return those of items whose connectors are not known."""
        return cls(np.zeros((0, width), dtype=np.float32), np.full(count, -1, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class ResponseItems:
    """Items that the model describes: row i of each array belongs to ``item_ids[i]``.

    The text of an item is the weighted sum of its own text and that of its connector; both are rows of (·, d) arrays of
    unit embeddings, and d may be 0.

    Attributes:
        category_rows: (n,) number of the category; that after the last for an item without a known one.
        embeddings: (n, d) embeddings of the items' own texts; zeros for connectors, whose text is the connector's.
        categories: names of the categories.
        connectors: texts of the connectors.
        kinds: (n,) number of the kind of each item; the kinds have different mean responses.
    """

    item_ids: Sequence[str]
    category_rows: IntArray
    embeddings: FloatArray
    categories: tuple[str, ...]
    connectors: ConnectorTexts
    kinds: IntArray

    @classmethod
    def of(
        cls,
        item_ids: Sequence[str],
        *,
        categories: Sequence[str],
        among: Sequence[str],
        embeddings: FloatArray,
        connectors: ConnectorTexts | None = None,
    ) -> ResponseItems:
        """Return items of one kind, with the category of each, which counts if it is ``among`` those of the model.

        ``embeddings`` are those of the own texts of all items, also of connectors.
        """
        number = {name: row for row, name in enumerate(among)}
        rows = np.array([number.get(name, len(among)) for name in categories], dtype=np.int64)
        kinds = np.zeros(len(item_ids), dtype=np.int64)
        if connectors is None:
            connectors = ConnectorTexts.none(len(item_ids), width=embeddings.shape[1])
        if connectors.is_own:
            embeddings = np.zeros_like(embeddings)
        return cls(item_ids, rows, embeddings, tuple(among), connectors, kinds)

    @classmethod
    def concatenate(cls, parts: Sequence[ResponseItems]) -> ResponseItems:
        """Return the items of several kinds, numbered by their place in ``parts``, with the same categories."""
        starts = np.cumsum([0, *(len(part.connectors.embeddings) for part in parts)])
        rows = [
            np.where(part.connectors.rows < 0, -1, part.connectors.rows + start)
            for part, start in zip(parts, starts[:-1], strict=True)
        ]
        of_connectors = np.concatenate([part.connectors.embeddings for part in parts])
        return cls(
            [item_id for part in parts for item_id in part.item_ids],
            np.concatenate([part.category_rows for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            parts[0].categories,
            ConnectorTexts(of_connectors, np.concatenate(rows)),
            np.concatenate([np.full(len(part.item_ids), number) for number, part in enumerate(parts)]),
        )

    def texts(self, rows: IntArray) -> FloatArray:
        """Return (len(rows), d): the text of some items."""
        texts: FloatArray = (TEXT_WEIGHT * self.embeddings[rows]).astype(np.float32)
        connectors = self.connectors.rows[rows]
        is_known = connectors >= 0
        texts[is_known] += CONNECTOR_TEXT_WEIGHT * self.connectors.embeddings[connectors[is_known]]
        return texts

    def _products(self, vectors: FloatArray) -> FloatArray:
        """Return (k, n): the product of each of k vectors (k, d) with the text of each item."""
        own = vectors @ self.embeddings.T
        of_connectors = _with_zeros(self.connectors.embeddings @ vectors.T)[self.connectors.rows].T
        products: FloatArray = TEXT_WEIGHT * own + CONNECTOR_TEXT_WEIGHT * of_connectors
        return products

    @property
    def width(self) -> int:
        """Length of the vector of a user: a coefficient per category and embedding dimension, and the bias."""
        return len(self.categories) + int(self.embeddings.shape[1]) + 1

    def category_part(self, vectors: FloatArray) -> FloatArray:
        """Return (users, n): the coefficient of each item's category; zero without one."""
        none = np.zeros((len(vectors), 1), dtype=vectors.dtype)
        by_category = np.concatenate([vectors[:, : len(self.categories)], none], axis=1)
        part: FloatArray = by_category[:, self.category_rows]
        return part

    def step_toward(self, row: int) -> tuple[FloatArray, FloatArray]:
        """Return by how much one more act with an item changes the two parts of each item's response.

        One step of recursive least squares for a user of whom nothing else is known.
        """
        category, text = self.category_rows[row], self.texts(np.array([row]))[0]
        is_known = category < len(self.categories)
        variance = CATEGORY_VARIANCE * is_known + float(text @ text)
        gain = RECENT_RESPONSE / (RIDGE + variance)
        same: FloatArray = ((self.category_rows == category) & is_known).astype(np.float32)
        return gain * CATEGORY_VARIANCE * same, np.asarray(gain * self._products(text[None])[0], dtype=np.float32)

    def text_part(self, vectors: FloatArray) -> FloatArray:
        """Return (users, n): the taste of each user for each item's text."""
        return self._products(vectors[:, len(self.categories) : -1])


def _with_zeros(values: FloatArray) -> FloatArray:
    """Return the rows and one of zeros, which row -1 refers to."""
    return np.concatenate([values, np.zeros((1, values.shape[1]), dtype=values.dtype)])
