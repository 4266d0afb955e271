"""Page of several kinds of items, mixed from one ranked lane a kind by the shares of ``ranking.toml``.

Scores of different kinds are not on one scale: the shares bound what their comparison decides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
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
    largest share. Shares and the variety of the first items yield where nothing else is left.
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
        self._kinds, self._authors, self._connectors = Counter[str](), Counter[str](), Counter[str]()

    def fill(self, lanes: Mapping[str, list[LaneItem[ItemIdT]]]) -> None:
        """Append items of the lanes until the page is full or the lanes are empty."""
        while len(self.page) < self._limit:
            heads = self._heads(lanes)
            if not heads:
                return
            kind = self._choose(heads, left={kind: len(items) for kind, items in lanes.items()})
            lanes[kind].remove(heads[kind])
            self._place(kind, heads[kind])

    def _heads(self, lanes: Mapping[str, list[LaneItem[ItemIdT]]]) -> dict[str, LaneItem[ItemIdT]]:
        """Return the next item of each kind: the first that keeps the first items varied, or else the first."""
        if len(self.page) < self._policy.variety.first:
            varied = {
                kind: head
                for kind, items in lanes.items()
                if (head := next((one for one in items if self._is_varied(one)), None)) is not None
            }
            if varied:
                return varied
        return {kind: items[0] for kind, items in lanes.items() if items}

    def _choose(self, heads: Mapping[str, LaneItem[ItemIdT]], *, left: Mapping[str, int]) -> str:
        shares, length = self._policy.home, len(self.page) + 1
        missing = {
            kind: min(math.floor(shares.of(kind).least * self._limit) - self._kinds[kind], left[kind]) for kind in left
        }
        if sum(max(count, 0) for count in missing.values()) > self._limit - length:
            due = [kind for kind in heads if missing[kind] > 0]
        else:
            # Rounded, so that the first screen has more than one kind.
            due = [kind for kind in heads if self._kinds[kind] < math.floor(shares.of(kind).least * length + 0.5)]
        allowed = [kind for kind in heads if self._kinds[kind] < math.ceil(shares.of(kind).most * length)]
        return max(due or allowed or heads, key=lambda kind: heads[kind].score * shares.of(kind).weight)

    def _is_varied(self, item: LaneItem[ItemIdT]) -> bool:
        variety = self._policy.variety
        return (
            self._authors[item.author or ""] < variety.most_of_author
            and self._connectors[item.connector or ""] < variety.most_of_connector
        )

    def _place(self, kind: str, item: LaneItem[ItemIdT]) -> None:
        score = min(item.score, self.page[-1].score) if self.page else item.score
        self.page.append(MixedItem(kind, item.item_id, score))
        self._kinds[kind] += 1
        if item.author:
            self._authors[item.author] += 1
        if item.connector:
            self._connectors[item.connector] += 1
