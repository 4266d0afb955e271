"""Page of several kinds of items, mixed from one ranked lane a kind by the shares of ``ranking.toml``.

Scores of different kinds are not on one scale: the shares bound what their comparison decides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from neighborconnect.feed.policy import RankingPolicy

ItemIdT = TypeVar("ItemIdT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class LaneItem(Generic[ItemIdT]):
    """Item of a lane, with its published score and the groups that variety counts."""

    item_id: ItemIdT
    score: float
    author: str | None = None
    connector: str | None = None
    category: str | None = None
    was_shown: bool = False
    """Whether the person was shown it within the last days: it comes after all others, of any kind."""


@dataclass(frozen=True, slots=True)
class MixedItem(Generic[ItemIdT]):
    """Item of a mixed page; its score is not above that of the item before it."""

    kind: str
    item_id: ItemIdT
    score: float


def mix(
    lanes: Mapping[str, Sequence[LaneItem[ItemIdT]]], *, policy: RankingPolicy, limit: int
) -> list[MixedItem[ItemIdT]]:
    """Return a page of ``limit`` items of the lanes, each kind in its own order as far as variety permits.

    At each position, a kind below its least share comes first, then the best weighted score of the kinds below their
    largest share. An item of a category above its share, and one that repeats an author or a connector among the first
    items, waits while a kind has another one; no rule leaves a position empty. Where rules conflict, variety precedes
    the limit of a category, and the least shares precede both at the end of the page.
    """
    mixed = _Mix[ItemIdT](policy, limit)
    for was_shown in (False, True):
        mixed.fill({kind: [one for one in items if one.was_shown is was_shown] for kind, items in lanes.items()})
    return mixed.page


class _Mix(Generic[ItemIdT]):
    """Mixed page under construction."""

    def __init__(self, policy: RankingPolicy, limit: int) -> None:
        self.page: list[MixedItem[ItemIdT]] = []
        self._policy, self._limit = policy, limit
        self._kinds, self._authors = Counter[str](), Counter[str]()
        self._connectors, self._categories = Counter[str](), Counter[str]()

    def fill(self, lanes: Mapping[str, list[LaneItem[ItemIdT]]]) -> None:
        """Append items of the lanes until the page is full or the lanes are empty."""
        while len(self.page) < self._limit and any(lanes.values()):
            kind, item = self._next(lanes)
            lanes[kind].remove(item)
            self._place(kind, item)

    def _next(self, lanes: Mapping[str, Sequence[LaneItem[ItemIdT]]]) -> tuple[str, LaneItem[ItemIdT]]:
        """Return the item to place next: that of a kind whose least share takes all open positions, or the best."""
        rules: tuple[Callable[[LaneItem[ItemIdT]], bool], ...] = (self._is_varied, self._is_below_limit)
        reserved = self._reserved({kind: len(items) for kind, items in lanes.items()})
        heads: dict[str, LaneItem[ItemIdT]] = {}
        for count in range(len(rules), -1, -1):
            # A kind keeps the head that follows most rules.
            heads = _heads(lanes, rules=rules[:count]) | heads
            if choice := [kind for kind in heads if kind in reserved] if reserved else [*heads]:
                kind = self._best(heads, among=choice)
                return kind, heads[kind]
        raise AssertionError("without rules, each lane that is not empty has a head")

    def _reserved(self, left: Mapping[str, int]) -> set[str]:
        """Return the kinds below their least share, if these shares take all open positions; else none."""
        missing = {
            kind: min(math.floor(self._policy.home.of(kind).least * self._limit) - self._kinds[kind], count)
            for kind, count in left.items()
        }
        is_tight = sum(max(count, 0) for count in missing.values()) >= self._limit - len(self.page)
        return {kind for kind, count in missing.items() if count > 0} if is_tight else set()

    def _best(self, heads: Mapping[str, LaneItem[ItemIdT]], *, among: Sequence[str]) -> str:
        """Return a kind below its least share so far, or else the best one of those below their largest share."""
        shares, length = self._policy.home, len(self.page) + 1
        # Rounded, so that the first screen has more than one kind.
        due = [kind for kind in among if self._kinds[kind] < math.floor(shares.of(kind).least * length + 0.5)]
        allowed = [kind for kind in among if self._kinds[kind] < math.ceil(shares.of(kind).most * length)]
        return max(due or allowed or among, key=lambda kind: heads[kind].score * shares.of(kind).weight)

    def _is_varied(self, item: LaneItem[ItemIdT]) -> bool:
        """Whether the item repeats no author and no connector too often among the first items."""
        variety = self._policy.variety
        return len(self.page) >= variety.first or (
            self._authors[item.author or ""] < variety.most_of_author
            and self._connectors[item.connector or ""] < variety.most_of_connector
        )

    def _is_below_limit(self, item: LaneItem[ItemIdT]) -> bool:
        """Whether the category of the item keeps its share of the page so far."""
        most = math.ceil(self._policy.home.most_of_category * (len(self.page) + 1))
        return self._categories[item.category or ""] < most

    def _place(self, kind: str, item: LaneItem[ItemIdT]) -> None:
        score = min(item.score, self.page[-1].score) if self.page else item.score
        self.page.append(MixedItem(kind, item.item_id, score))
        self._kinds[kind] += 1
        for counter, group in (
            (self._authors, item.author),
            (self._connectors, item.connector),
            (self._categories, item.category),
        ):
            if group:
                counter[group] += 1


def _heads(
    lanes: Mapping[str, Sequence[LaneItem[ItemIdT]]], *, rules: Sequence[Callable[[LaneItem[ItemIdT]], bool]]
) -> dict[str, LaneItem[ItemIdT]]:
    """Return the first item of each lane that follows the rules."""
    return {
        kind: head
        for kind, items in lanes.items()
        if (head := next((one for one in items if all(rule(one) for rule in rules)), None)) is not None
    }
