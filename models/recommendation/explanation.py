"""Explanation of a score: the exact contribution of each of its parts, and the reasons that follow from them.

A score is a sum of parts, so a part contributes its value minus its mean over the candidates: the contributions of an
item sum to its score minus the mean score. A part is a reason if it has at least ``MIN_SHARE`` of the positive
contributions of the item, and if its text is true for the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from models.recommendation.scoring import FloatArray, IntArray, normalize_rows
from models.recommendation.serving_artifact import ItemIndex
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import Reason
from neighborconnect.feed.interests import category_key
from neighborconnect.feed.reasons import MAX_REASONS, MIN_SHARE, ReasonCode

# Share of all items that are called popular.
POPULAR_SHARE = 1 / 3
# Minimum weight of a category that explains an item, relative to the user's strongest category.
MIN_CATEGORY_WEIGHT = 0.2
# Minimum cosine of an item that a reason refers to: of text embeddings, and of factors.
MIN_CONTENT_SIMILARITY, MIN_FACTOR_SIMILARITY = 0.4, 0.5

# With and without an item that the reason refers to.
_CONTENT: dict[str, tuple[ReasonCode | None, ReasonCode]] = {
    ItemKind.POST: (ReasonCode.BECAUSE_YOU_LIKED, ReasonCode.SIMILAR_TO_READ),
    ItemKind.CONNECTOR: (ReasonCode.SIMILAR_TO_JOINED, ReasonCode.SIMILAR_TO_YOURS),
}
_OTHER_CONTENT = (None, ReasonCode.SIMILAR_TO_CHOSEN)
_COLLABORATIVE = {ItemKind.POST: ReasonCode.ALSO_LIKED, ItemKind.CONNECTOR: ReasonCode.ALSO_JOINED}


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """Weighted parts of the scores of all items, each (n,); affinity is split by its source."""

    collaborative: FloatArray
    content: FloatArray
    acts: FloatArray
    stated: FloatArray
    popularity: FloatArray

    @property
    def total(self) -> FloatArray:
        """Scores of all items."""
        return self.collaborative + self.content + (self.acts + self.stated) + self.popularity

    def contributions(self, rows: IntArray, *, candidates: IntArray) -> dict[str, FloatArray]:
        """Return the contribution of each part to the scores of ``rows``, relative to the mean of the candidates."""
        values: dict[str, FloatArray] = {part.name: getattr(self, part.name) for part in fields(self)}
        return {
            name: value[rows].astype(np.float64) - value[candidates].mean(dtype=np.float64)
            for name, value in values.items()
        }


@dataclass(frozen=True, slots=True)
class Taste:
    """Facts of the user that reasons are checked with.

    Attributes:
        weights: (categories + 1,) affinity of the user.
        liked_categories: categories that the user acted on.
        stated_interests: interests that the user stated.
        liked: rows of the items that the user liked or joined, newest first.
        has_acted: whether the user acted on any item with a text; seeing items alone is a taste, but no reason.
    """

    weights: FloatArray
    liked_categories: frozenset[str]
    stated_interests: Sequence[str]
    liked: IntArray
    has_acted: bool = True


def explain(
    rows: IntArray, *, candidates: IntArray, index: ItemIndex, parts: ScoreParts, taste: Taste
) -> list[list[Reason]]:
    """Return the reasons of each row, at most ``MAX_REASONS``, the strongest first; at least one."""
    if not len(rows):
        return []
    contributions = parts.contributions(rows, candidates=candidates)
    lifts = {name: np.maximum(values, 0.0) for name, values in contributions.items()}
    total = sum(lifts.values(), np.zeros(len(rows)))
    codes = _Codes(index, taste=taste, rows=rows)
    reasons = []
    for place in range(len(rows)):
        shares = {name: float(lift[place] / total[place]) for name, lift in lifts.items() if total[place] > 0}
        reasons.append(_reasons_of(place, shares=shares, codes=codes))
    return reasons


def _reasons_of(place: int, *, shares: Mapping[str, float], codes: _Codes) -> list[Reason]:
    strongest = sorted((name for name in shares if shares[name] >= MIN_SHARE), key=lambda name: -shares[name])
    reasons = [reason for name in strongest if (reason := codes.reason(name, place, share=min(shares[name], 1.0)))]
    return reasons[:MAX_REASONS] or [Reason(code=ReasonCode.NEW_FOR_YOU, share=0.0)]


class _Codes:
    """Codes of the parts of some rows; None where the text of a part would not be true."""

    def __init__(self, index: ItemIndex, *, taste: Taste, rows: IntArray) -> None:
        self._index, self._taste, self._rows = index, taste, rows
        self._stated = {category_key(interest) for interest in taste.stated_interests}
        self._min_weight = MIN_CATEGORY_WEIGHT * float(taste.weights.max(initial=0.0))
        self._min_popularity = float(np.quantile(index.popularity, 1 - POPULAR_SHARE)) if len(rows) else 0.0
        self._closest = _closest(
            index.embeddings, rows=rows, references=taste.liked, min_similarity=MIN_CONTENT_SIMILARITY
        )
        # Factors of cold items are predicted, so they do not show which neighbors like them.
        self._closest_audience = _closest(
            index.factors,
            rows=rows,
            references=taste.liked[index.is_warm[taste.liked]],
            min_similarity=MIN_FACTOR_SIMILARITY,
        )

    def reason(self, part: str, place: int, *, share: float) -> Reason | None:
        """Return the reason of a part of one row."""
        index, row = self._index, int(self._rows[place])
        category, reason = index.categories[row], None
        if part == "content" and self._taste.has_acted:
            with_reference, without = _CONTENT.get(index.kind, _OTHER_CONTENT)
            reason = self._referring(with_reference, without, self._closest[place], share=share)
        elif part == "collaborative" and index.is_warm[row]:
            code = _COLLABORATIVE.get(index.kind)
            reason = self._referring(code, ReasonCode.NEIGHBORS_LIKE_YOU, self._closest_audience[place], share=share)
        elif part == "collaborative":
            reason = Reason(code=ReasonCode.RESEMBLES_NEIGHBORS_LIKES, share=share)
        elif part == "acts" and self._is_liked(row):
            reason = Reason(code=ReasonCode.CATEGORY_YOU_LIKE, share=share, category=category)
        elif part == "stated" and category_key(category) in self._stated:
            reason = Reason(code=ReasonCode.OF_YOUR_INTERESTS, share=share, category=category)
        elif part == "popularity" and index.popularity[row] >= self._min_popularity and index.popularity[row] > 0:
            reason = Reason(code=ReasonCode.POPULAR, share=share)
        return reason

    def _is_liked(self, row: int) -> bool:
        weight = float(self._taste.weights[self._index.category_rows[row]])
        return self._index.categories[row] in self._taste.liked_categories and weight >= self._min_weight

    def _referring(
        self, code: ReasonCode | None, otherwise: ReasonCode, reference: int | None, *, share: float
    ) -> Reason:
        if code is None or reference is None:
            return Reason(code=otherwise, share=share)
        return Reason(code=code, share=share, item_id=self._index.item_ids[reference])


def _closest(vectors: FloatArray, *, rows: IntArray, references: IntArray, min_similarity: float) -> list[int | None]:
    """Return for each row the reference with the largest cosine, the newest of equal ones; None below the minimum."""
    if not len(references) or not vectors.shape[1]:
        return [None] * len(rows)
    similarity = normalize_rows(vectors[rows]) @ normalize_rows(vectors[references]).T
    # An item is no reason for itself.
    similarity[rows[:, None] == references[None, :]] = -1.0
    best = similarity.argmax(axis=1)
    values = similarity[np.arange(len(rows)), best]
    return [
        int(references[place]) if value >= min_similarity else None for place, value in zip(best, values, strict=True)
    ]
