"""Page of a ranking, from the scores of all items: the same in serving and in offline evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from models.recommendation.scoring import FloatArray, IntArray, top_k
from neighborconnect.feed.policy import RankingPolicy
from neighborconnect.feed.reranking import Candidate, Dislikes, Page

# Candidates of a page: the best items overall, the best recent ones, and the best of each category.
BEST, RECENT, BEST_OF_CATEGORY = 200, 100, 20
_DAY_SECONDS = 86_400.0
_NO_AUTHOR = -1


@dataclass(frozen=True)
class Attributes:
    """Attributes that re-ranking uses, one row per item.

    Attributes:
        authors: (n,) number of the author, -1 without one. Numbers instead of ids: an item index has no personal data.
        connectors: (n) connector id, or an empty string.
        categories: (n) category, or an empty string.
        created_at: (n,) seconds since the epoch; NaN where age does not count.
    """

    authors: IntArray
    connectors: tuple[str, ...]
    categories: tuple[str, ...]
    created_at: FloatArray

    @cached_property
    def newest(self) -> datetime | None:
        """Creation of the newest item; None if no item has a date."""
        dated = self.created_at[~np.isnan(self.created_at)]
        return datetime.fromtimestamp(float(dated.max()), UTC) if len(dated) else None

    @cached_property
    def rows_by_category(self) -> tuple[IntArray, ...]:
        """Item rows of each category."""
        _, codes = np.unique(np.array(self.categories, dtype=object), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        return tuple(np.split(order, np.cumsum(np.bincount(codes))[:-1])) if len(order) else ()

    def candidate(self, row: int, *, relevance: float, age_days: float) -> Candidate[int]:
        """Return one item as a candidate of re-ranking."""
        author = int(self.authors[row])
        return Candidate(
            row,
            relevance,
            age_days=None if np.isnan(age_days) else age_days,
            author=None if author == _NO_AUTHOR else str(author),
            connector=self.connectors[row],
            category=self.categories[row],
        )


@dataclass(frozen=True, slots=True)
class Row:
    """Item of a page: its row, its score after re-ranking and its relevance."""

    row: int
    score: float
    relevance: float


def page_of(
    scores: FloatArray,
    *,
    attributes: Attributes,
    policy: RankingPolicy,
    limit: int,
    at: datetime,
    dislikes: Dislikes | None = None,
    first: int | None = None,
) -> list[Row]:
    """Return at most ``limit`` re-ranked items.

    Args:
        scores: (n,) scores of one user; minus infinity for masked items.
        attributes: attributes of the same items.
        policy: parameters of the re-ranking.
        limit: length of the page.
        at: time of the request.
        dislikes: hides of the user.
        first: length of a shorter page to start with. The shares and caps of a page depend on its length, so a longer
            page may lack items of a shorter one.
    """
    best = top_k(scores, k=max(BEST, limit)) if len(scores) else np.empty(0, dtype=np.int64)
    best = best[np.isfinite(scores[best])]
    if not len(best):
        return []
    ages = (at.timestamp() - attributes.created_at) / _DAY_SECONDS
    recent = np.flatnonzero((ages < policy.fresh.days) & np.isfinite(scores))
    recent = recent[top_k(scores[recent], k=RECENT)] if len(recent) else recent
    parts = [rows[top_k(scores[rows], k=BEST_OF_CATEGORY)] for rows in attributes.rows_by_category]
    rows = np.unique(np.concatenate((best, recent, *parts)))
    rows = rows[np.isfinite(scores[rows])]
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    # The scale starts at the least relevant of all items, so that the best items of a second category are above zero.
    lowest, highest = float(scores[np.isfinite(scores)].min()), float(scores[best[0]])
    spread = highest - lowest
    places = np.clip((scores[rows] - lowest) / spread, 0.0, 1.0) if spread > 0 else np.ones(len(rows))
    relevance = policy.relevance.of(places)
    relevance_of = dict(zip(rows.tolist(), relevance.tolist(), strict=True))
    candidates = [
        attributes.candidate(row, relevance=relevance_of[row], age_days=float(ages[row])) for row in relevance_of
    ]
    placed: dict[int, float] = {}
    least = 1.0
    for length in (min(first or limit, limit), limit):
        page = Page[int](policy=policy, limit=length, dislikes=dislikes)
        page.fill(candidates)
        for item in page.items:
            if item.item_id not in placed and len(placed) < length:
                least = placed[item.item_id] = min(item.score, least)
        if len(placed) == min(limit, len(candidates)):
            break
    return [Row(row, score, relevance_of[row]) for row, score in placed.items()]


def page_order(attributes: Attributes, *, policy: RankingPolicy, at: datetime) -> Callable[[FloatArray, int], IntArray]:
    """Return the page order for ``evaluate``."""

    def order(scores: FloatArray, k: int) -> IntArray:
        page = page_of(scores, attributes=attributes, policy=policy, limit=k, at=at)
        rows = np.array([item.row for item in page], dtype=np.int64)
        # Masked items fill the positions that remain; they are never relevant.
        masked = np.flatnonzero(~np.isfinite(scores))[: k - len(rows)]
        return np.concatenate((rows, masked))

    return order
