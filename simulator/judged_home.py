"""Quality and composition of first pages of the home feed, by the ground truth. No I/O."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from neighborconnect.contracts.events import ReportableKind
from neighborconnect.feed.mixing import LaneItem, mix
from neighborconnect.feed.policy import RankingPolicy
from simulator.judged_pages import TOP, Facts, Served, interval

HomeItems = Sequence[tuple[str, str]]
"""Kinds and ids of the items of a page, in order."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """First page of the home feed of one person, and the path of each kind."""

    items: HomeItems
    reasons: tuple[str, ...]
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeQuality:
    """Measurements of one page.

    Attributes:
        utility: true gain of the items of each kind as a share of the best as many that may be served; NaN without any.
        shares: share of each kind.
        ineligible: share of items that may not be served: opened, liked, own, hidden, joined, answered or invisible.
        ages: ages of posts and marketplace items in days.
        categories: number of categories among the first ten items.
        largest_category: share of the most frequent category of the page.
        reasons: number of distinct reasons as a share of the items.
    """

    utility: Mapping[str, float]
    shares: Mapping[str, float]
    ineligible: float
    ages: tuple[float, ...]
    categories: int
    largest_category: float
    reasons: float


def mixed_again(
    lanes: Mapping[ReportableKind, Served],
    *,
    facts: Mapping[ReportableKind, Mapping[str, Facts]],
    policy: RankingPolicy,
    limit: int,
) -> list[tuple[str, str]]:
    """Return the home page of the feeds of the kinds, mixed by a policy, as the API mixes them by its own."""
    page = mix(
        {
            kind.value: [
                LaneItem(item_id, score, known.author, known.connector, known.category, was_shown)
                for item_id, score, was_shown in list(
                    zip(served.item_ids, served.scores, served.were_shown, strict=True)
                )[:limit]
                if (known := facts[kind].get(item_id)) is not None
            ]
            for kind, served in lanes.items()
        },
        policy=policy,
        limit=limit,
    )
    return [(one.kind, one.item_id) for one in page]


def home_quality(
    items: HomeItems,
    *,
    reasons: Sequence[str],
    gains: Mapping[ReportableKind, Mapping[str, float]],
    may_serve: frozenset[str],
    facts: Mapping[ReportableKind, Mapping[str, Facts]],
    at: datetime,
) -> HomeQuality:
    """Measure a page.

    Args:
        items: the page.
        reasons: reason of each item.
        gains: true gain of each item of a kind that may be served now.
        may_serve: items that may be served, now or after all others.
        facts: facts of the items by kind.
        at: time of the request.
    """
    known = [facts[ReportableKind(kind)][item_id] for kind, item_id in items if item_id in facts[ReportableKind(kind)]]
    dated = [
        facts[ReportableKind(kind)][item_id].created_at
        for kind, item_id in items
        if kind in {ReportableKind.POST, ReportableKind.ITEM} and item_id in facts[ReportableKind(kind)]
    ]
    count = max(1, len(items))
    kinds = Counter(kind for kind, _ in items)
    return HomeQuality(
        utility={
            kind.value: _share_of_best([of_kind.get(one, 0.0) for name, one in items if name == kind], of_kind)
            for kind, of_kind in gains.items()
        },
        shares={kind.value: kinds[kind.value] / count for kind in gains},
        ineligible=sum(item_id not in may_serve for _, item_id in items) / count,
        ages=tuple((at - created_at) / timedelta(days=1) for created_at in dated),
        categories=len({item.category for item in known[:TOP]}),
        largest_category=max(Counter(item.category for item in known).values(), default=0) / count,
        reasons=len(set(reasons)) / count,
    )


def home_summary(rows: Sequence[HomeQuality], *, seed: int) -> dict[str, Any]:
    """Return the mean of each measurement over people with its interval, and the median age of all items."""
    kinds = [*rows[0].utility] if rows else []
    ages = [age for row in rows for age in row.ages]

    def over(values: Sequence[float]) -> dict[str, float]:
        return asdict(interval(values, seed=seed))

    return {
        "people": len(rows),
        "utility": {kind: over([row.utility[kind] for row in rows]) for kind in kinds},
        "shares": {kind: over([row.shares[kind] for row in rows]) for kind in kinds},
        "ineligible_share": over([row.ineligible for row in rows]),
        "median_age_days": float(np.median(ages)) if ages else math.nan,
        "categories": over([float(row.categories) for row in rows]),
        "largest_category_share": over([row.largest_category for row in rows]),
        "distinct_reasons_share": over([row.reasons for row in rows]),
    }


def _share_of_best(served: Sequence[float], gains: Mapping[str, float]) -> float:
    best = sum(sorted(gains.values(), reverse=True)[: len(served)])
    return sum(served) / best if best > 0.0 else math.nan
