"""Pages made of the scores of every item."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from models.recommendation.pages import Attributes, page_of
from neighborconnect.feed.policy import ranking_policy

AT = datetime(2026, 11, 29, tzinfo=UTC)
FIRST, SECOND, DISLIKED = 400, 40, 40


def test_a_second_category_competes_with_a_dominant_first() -> None:
    count = FIRST + SECOND + DISLIKED
    attributes = Attributes(
        authors=np.arange(count),
        connectors=tuple(str(row % 37) for row in range(count)),
        categories=("pets",) * FIRST + ("cooking",) * SECOND + ("cycling",) * DISLIKED,
        created_at=np.full(count, AT.timestamp() - 10 * 86_400.0),
    )
    scores = np.concatenate((np.linspace(1.0, 0.9, FIRST), np.full(SECOND, 0.7), np.full(DISLIKED, 0.1)))
    page = page_of(scores, attributes=attributes, policy=ranking_policy(), limit=20, at=AT)
    second = [row for row in page if FIRST <= row.row < FIRST + SECOND]
    assert len(page) == 20
    assert len(second) >= 4
    assert min(row.relevance for row in second) > ranking_policy().fresh.other_relevance
    assert all(row.row < FIRST + SECOND for row in page)
