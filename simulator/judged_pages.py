"""Quality and composition of served pages, by the ground truth. No I/O."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from simulator.arrays import Floats

TOP: Final = 10
"""Positions that are judged."""
FRESH: Final = timedelta(hours=72)
_RESAMPLES: Final = 2_000
_CONFIDENCE: Final = 0.95
_DISCOUNTS: Floats = 1.0 / np.log2(np.arange(2, TOP + 2))


@dataclass(frozen=True, slots=True)
class Facts:
    """Public facts of an item. ``popularity`` counts likes, members, attendees or views."""

    author: str | None
    connector: str
    category: str
    created_at: datetime
    popularity: int


@dataclass(frozen=True, slots=True)
class Served:
    """Items of the first pages of one person, in order, with the reason and score of each.

    ``were_shown`` says of each whether it is served because nothing else is left.
    """

    item_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    scores: tuple[float, ...] = ()
    were_shown: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """ndcg@10 of one person's ranking and of the baselines over the same items; NaN if no item has gain.

    The oracle is 1 by definition and computed as a check. ``random`` is the mean of all orders.
    """

    served: float
    popularity: float
    random: float
    oracle: float


@dataclass(frozen=True, slots=True)
class Composition:
    """First ten items of one person.

    Attributes:
        excluded: share of items that may not be served to the person (opened, liked, own, hidden, joined, invisible).
        ages: ages in hours.
        fresh: share of items younger than 72 h.
        categories: number of categories.
        same_author: largest number of items of one author.
        same_connector: largest number of items of one connector.
        discovery: share of items from connectors that the person does not belong to.
        reasons: number of distinct reasons, as a share of the items.
        unknown: number of items without ground truth.
    """

    excluded: float
    ages: tuple[float, ...]
    fresh: float
    categories: int
    same_author: int
    same_connector: int
    discovery: float
    reasons: float
    unknown: int


def quality(
    served: Sequence[str], *, eligible: Sequence[str], gains: Mapping[str, float], popularity: Mapping[str, int]
) -> Quality:
    """Compare a ranking with the best order of the eligible items.

    Args:
        served: the ranking; items that are not eligible gain nothing.
        eligible: items that may be served.
        gains: true gain of each eligible item.
        popularity: popularity of each eligible item.
    """
    of_all = np.array([gains[item_id] for item_id in eligible])
    ideal = _dcg(np.sort(of_all)[::-1])
    if ideal <= 0.0:
        return Quality(*(math.nan,) * 4)
    allowed = set(eligible)
    popular = sorted(eligible, key=lambda item_id: (-popularity[item_id], item_id))
    best = sorted(eligible, key=lambda item_id: -gains[item_id])
    places = min(TOP, len(eligible))
    return Quality(
        served=_dcg(np.array([gains[one] if one in allowed else 0.0 for one in served])) / ideal,
        popularity=_dcg(np.array([gains[one] for one in popular])) / ideal,
        random=float(of_all.mean() * _DISCOUNTS[:places].sum()) / ideal,
        oracle=_dcg(np.array([gains[one] for one in best])) / ideal,
    )


def composition(
    served: Served,
    *,
    facts: Mapping[str, Facts],
    may_serve: frozenset[str],
    joined: frozenset[str],
    is_known: Callable[[str], bool],
    at: datetime,
) -> Composition:
    """Describe the first ten items of a page.

    Args:
        served: the page.
        facts: facts of the items; an item without facts was deleted meanwhile.
        may_serve: items that may be served, now or after all others.
        joined: connectors of the person.
        is_known: whether an item has ground truth.
        at: time of the request.
    """
    top = served.item_ids[:TOP]
    known = [facts[item_id] for item_id in top if item_id in facts]
    ages = tuple((at - item.created_at) / timedelta(hours=1) for item in known)
    return Composition(
        excluded=_share([item_id not in may_serve for item_id in top]),
        ages=ages,
        fresh=_share([age < FRESH / timedelta(hours=1) for age in ages]),
        categories=len({item.category for item in known}),
        same_author=_largest([item.author for item in known if item.author is not None]),
        same_connector=_largest([item.connector for item in known]),
        discovery=_share([item.connector not in joined for item in known]),
        reasons=len(set(served.reasons[:TOP])) / max(1, len(top)),
        unknown=sum(not is_known(item_id) for item_id in top),
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean over people with its bootstrap interval."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float], *, seed: int) -> Interval:
    """Return the mean and its 95 % percentile bootstrap interval over people; missing values (NaN) are left out."""
    from scipy.stats import bootstrap  # noqa: PLC0415 (its import takes longer than the other commands)

    present = np.array([value for value in values if not math.isnan(value)])
    if not len(present):
        return Interval(*(math.nan,) * 3)
    if len(present) == 1 or np.ptp(present) == 0.0:
        return Interval(*(float(present[0]),) * 3)
    found = bootstrap(
        (present,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(present.mean()), float(found.low), float(found.high))


def summary(rows: Sequence[Quality], *, seed: int) -> dict[str, Any]:
    """Return the mean of each ranking over people, and the intervals of what was served and of its lead."""
    return {
        "people": sum(not math.isnan(row.served) for row in rows),
        "served": asdict(interval([row.served for row in rows], seed=seed)),
        "popularity": asdict(interval([row.popularity for row in rows], seed=seed)),
        "random": asdict(interval([row.random for row in rows], seed=seed)),
        "oracle": asdict(interval([row.oracle for row in rows], seed=seed)),
        "served_over_popularity": asdict(interval([row.served - row.popularity for row in rows], seed=seed)),
    }


def composition_summary(rows: Sequence[Composition]) -> dict[str, Any]:
    """Return the composition over people: means of shares, the median of ages, and the largest repeats."""
    ages = [age for row in rows for age in row.ages]
    return {
        "excluded_share": _mean([row.excluded for row in rows]),
        "median_age_hours": float(np.median(ages)) if ages else math.nan,
        "fresh_share": _mean([row.fresh for row in rows]),
        "categories": _mean([row.categories for row in rows]),
        "same_author_mean": _mean([row.same_author for row in rows]),
        "same_author_max": max((row.same_author for row in rows), default=0),
        "same_connector_mean": _mean([row.same_connector for row in rows]),
        "same_connector_max": max((row.same_connector for row in rows), default=0),
        "discovery_share": _mean([row.discovery for row in rows]),
        "distinct_reasons_share": _mean([row.reasons for row in rows]),
        "unknown_items": sum(row.unknown for row in rows),
    }


def _dcg(gains: Floats) -> float:
    top = gains[:TOP]
    return float((top * _DISCOUNTS[: len(top)]).sum())


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _largest(groups: Sequence[str]) -> int:
    return max(Counter(groups).values(), default=0)
