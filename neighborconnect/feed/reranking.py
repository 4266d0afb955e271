"""Greedy re-ranking of a page: relevance by age, fewer repeats of an author, connector or category, and shares.

Shares are reserved for fresh items and for items of connectors outside of the viewer's.

The same function orders served pages and pages of offline evaluation. It is lazy: multipliers only decrease while a
page grows, so a value computed earlier is an upper bound (lazy greedy selection).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Generic, TypeVar

from neighborconnect.feed.policy import RankingPolicy, Repeat

ItemIdT = TypeVar("ItemIdT", bound=Hashable)
Groups = Mapping[str, float]
# On a page of a few items, a share would round to one item per group.
_MIN_CAP = 2
_MIN_SHARED_LIMIT = 5
_KINDS = tuple(product((True, False), (True, False)))
"""Kinds of candidates: fresh or not, of a connector outside of the viewer's or not."""
# A smaller weight changes a score by less than 3 %.
_MIN_CARRIED = 0.05


@dataclass(frozen=True, slots=True)
class Candidate(Generic[ItemIdT]):
    """An item that may be served.

    Attributes:
        relevance: in [0, 1], 1 for the best match.
        age_days: age at the time of the request; None without a date.
        author, connector, category: groups that repeats are counted by; None or empty for none.
        is_outside: whether the viewer does not belong to the connector; False where that is unknown.
    """

    item_id: ItemIdT
    relevance: float
    age_days: float | None = None
    author: str | None = None
    connector: str | None = None
    category: str | None = None
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class Dislikes:
    """Hides minus ``more_like_this`` of one person by group, each weighted by its age (``Hides.weight``).

    A positive sum lowers the relevance of items of the group, a negative one raises it.
    """

    authors: Groups = field(default_factory=dict)
    connectors: Groups = field(default_factory=dict)
    categories: Groups = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carried:
    """Items of the earlier pages of a session by group, each weighted by how many pages ago it was served."""

    authors: Groups = field(default_factory=dict)
    connectors: Groups = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed(Generic[ItemIdT]):
    """An item of a page with its score, which is not above that of the item before it."""

    item_id: ItemIdT
    score: float


def static_value(candidate: Candidate[ItemIdT], *, policy: RankingPolicy, dislikes: Dislikes) -> float:
    """Return the relevance after decay by age, and after hides and ``more_like_this``, for an empty page."""
    hides = policy.hides
    value, wanted = candidate.relevance * policy.age.factor(candidate.age_days), 1.0
    for group, counts, rule in (
        (candidate.author, dislikes.authors, hides.author),
        (candidate.connector, dislikes.connectors, hides.connector),
        (candidate.category, dislikes.categories, hides.category),
    ):
        if group and group in counts:
            wanted *= rule.factor(counts[group])
    return value * min(wanted, hides.most)


class _Counter:
    """Items of each group of one kind on the page."""

    def __init__(self, rule: Repeat, *, limit: int, carried: Groups | None = None) -> None:
        self._rule, self._carried = rule, carried or {}
        self._most = max(_MIN_CAP, math.ceil(rule.most_share * limit))
        self._counts: dict[str, int] = {}

    def factor(self, group: str | None) -> float:
        return self._rule.factor(self._counts.get(group, 0) + self._carried.get(group, 0.0)) if group else 1.0

    def is_full(self, group: str | None) -> bool:
        return self.has(group, self._most)

    def has(self, group: str | None, count: int) -> bool:
        return bool(group) and self._counts.get(group or "", 0) >= count

    def add(self, group: str | None) -> None:
        if group:
            self._counts[group] = self._counts.get(group, 0) + 1

    def carry(self, share: float) -> dict[str, float]:
        """Return the weights of the groups on the next page."""
        groups = self._counts.keys() | self._carried.keys()
        weights = {one: share * (self._counts.get(one, 0) + self._carried.get(one, 0.0)) for one in sorted(groups)}
        return {group: weight for group, weight in weights.items() if weight >= _MIN_CARRIED}


def carry_over(groups: Iterable[tuple[str | None, str | None]], *, before: Carried, policy: RankingPolicy) -> Carried:
    """Return the repeats for the page after one with items of these authors and connectors."""
    authors = _Counter(policy.repeats.author, limit=1, carried=before.authors)
    connectors = _Counter(policy.repeats.connector, limit=1, carried=before.connectors)
    for author, connector in groups:
        authors.add(author)
        connectors.add(connector)
    return Carried(authors=authors.carry(policy.repeats.carry), connectors=connectors.carry(policy.repeats.carry))


_Entry = tuple[float, int, float, Candidate[ItemIdT]]


class _Queue(Generic[ItemIdT]):
    """Candidates of one kind as heaps: those to place next, those of capped groups, and those after the first items."""

    def __init__(self) -> None:
        self.ready: list[_Entry[ItemIdT]] = []
        self.full: list[_Entry[ItemIdT]] = []
        self.later: list[_Entry[ItemIdT]] = []

    def __len__(self) -> int:
        return len(self.ready) + len(self.full) + len(self.later)

    def release(self) -> None:
        """Let the candidates that waited for the end of the first items compete."""
        self.ready += self.later
        self.later = []
        heapq.heapify(self.ready)


class Page(Generic[ItemIdT]):
    """Page under construction; call ``fill`` for each source of candidates, the preferred one first."""

    def __init__(
        self, *, policy: RankingPolicy, limit: int, dislikes: Dislikes | None = None, carried: Carried | None = None
    ) -> None:
        """Start an empty page of ``limit`` items.

        Args:
            policy: parameters.
            limit: length of the page.
            dislikes: hides of the person.
            carried: repeats on the earlier pages of the session. They lower scores and do not count toward caps.
        """
        self.items: list[Placed[ItemIdT]] = []
        before = carried or Carried()
        self._policy, self._limit, self._dislikes = policy, limit, dislikes or Dislikes()
        repeats = policy.repeats
        self._authors = _Counter(repeats.author, limit=limit, carried=before.authors)
        self._connectors = _Counter(repeats.connector, limit=limit, carried=before.connectors)
        self._categories = _Counter(repeats.category, limit=limit)
        self._fresh = 0
        self._outside = 0

    @property
    def is_full(self) -> bool:
        """Whether the page has ``limit`` items."""
        return len(self.items) >= self._limit

    @property
    def carried(self) -> Carried:
        """Repeats for the next page of the session."""
        share = self._policy.repeats.carry
        return Carried(authors=self._authors.carry(share), connectors=self._connectors.carry(share))

    def fill(self, candidates: Iterable[Candidate[ItemIdT]]) -> None:
        """Append the best remaining candidate repeatedly, until the page is full or no candidate is left.

        Group caps and the rules of the first items are exceeded only if nothing else is left, or for the shares of
        fresh and outside items; the spread of fresh and outside items over the page exceeds caps alone.
        """
        queues: dict[tuple[bool, bool], _Queue[ItemIdT]] = {kind: _Queue() for kind in _KINDS}
        for index, candidate in enumerate(candidates):
            value = static_value(candidate, policy=self._policy, dislikes=self._dislikes)
            queue = queues[self._is_fresh(candidate), candidate.is_outside]
            queue.ready.append((-value, index, value, candidate))
        for queue in queues.values():
            heapq.heapify(queue.ready)
        while not self.is_full:
            for queue in queues.values():
                if queue.later and len(self.items) >= self._policy.variety.first:
                    queue.release()
                self._settle(queue)
            heap = self._next_heap(queues)
            if heap is None:
                return
            self._take(heap)

    def _next_heap(self, queues: Mapping[tuple[bool, bool], _Queue[ItemIdT]]) -> list[_Entry[ItemIdT]] | None:
        """Return the heap of the candidate to place next; None if no candidate is left."""
        fresh = [queue for (is_fresh, _), queue in queues.items() if is_fresh]
        outside = [queue for (_, is_outside), queue in queues.items() if is_outside]
        fresh_missing = min(self._missing(self._policy.fresh.share, self._fresh), sum(map(len, fresh)))
        # On a page of a few items, the share would be one item of few.
        outside_share = self._policy.variety.outside_share if self._limit >= _MIN_SHARED_LIMIT else 0.0
        outside_missing = min(self._missing(outside_share, self._outside), sum(map(len, outside)))
        needed = (fresh if fresh_missing else []) + (outside if outside_missing else [])
        open_positions = self._limit - len(self.items)
        if fresh_missing + outside_missing > open_positions:
            # One item can count in both shares; else the fresh share takes precedence.
            both = [queues[True, True]]
            return _best(both, ("ready", "full", "later")) or _best(needed, ("ready", "full", "later"))
        if needed and fresh_missing + outside_missing == open_positions:
            return _best(needed, ("ready", "full", "later"))
        for queue_of_kind, share, count in (
            (fresh, self._policy.fresh.share, self._fresh),
            (outside, outside_share, self._outside),
        ):
            if count < math.floor(share * (len(self.items) + 1)) and (heap := _best(queue_of_kind, ("ready", "full"))):
                return heap
        return (
            _best(queues.values(), ("ready",)) or _best(fresh, ("full",)) or _best(queues.values(), ("full", "later"))
        )

    def _missing(self, share: float, count: int) -> int:
        return max(0, math.ceil(share * self._limit) - count)

    def _is_fresh(self, candidate: Candidate[ItemIdT]) -> bool:
        return candidate.age_days is not None and candidate.age_days < self._policy.fresh.days

    def _factor(self, candidate: Candidate[ItemIdT]) -> float:
        return (
            self._authors.factor(candidate.author)
            * self._connectors.factor(candidate.connector)
            * self._categories.factor(candidate.category)
        )

    def _settle(self, queue: _Queue[ItemIdT]) -> None:
        """Move the best candidate of a queue to its top, and those that may not be placed now to their heaps."""
        heap = queue.ready
        while heap:
            bound, index, value, candidate = heap[0]
            if self._must_wait(candidate):
                heapq.heappush(queue.later, heapq.heappop(heap))
                continue
            if (
                self._authors.is_full(candidate.author)
                or self._connectors.is_full(candidate.connector)
                or self._categories.is_full(candidate.category)
            ):
                heapq.heappush(queue.full, heapq.heappop(heap))
                continue
            current = -value * self._factor(candidate)
            if current <= bound:
                return
            heapq.heapreplace(heap, (current, index, value, candidate))

    def _must_wait(self, candidate: Candidate[ItemIdT]) -> bool:
        """Whether the first items of the page have enough of the candidate's author or connector."""
        variety = self._policy.variety
        return len(self.items) < variety.first and (
            self._authors.has(candidate.author, variety.most_of_author)
            or self._connectors.has(candidate.connector, variety.most_of_connector)
        )

    def _take(self, heap: list[_Entry[ItemIdT]]) -> None:
        _, _, value, candidate = heapq.heappop(heap)
        score = value * self._factor(candidate)
        if self.items:
            score = min(score, self.items[-1].score)
        self.items.append(Placed(candidate.item_id, score))
        self._authors.add(candidate.author)
        self._connectors.add(candidate.connector)
        self._categories.add(candidate.category)
        self._fresh += self._is_fresh(candidate)
        self._outside += candidate.is_outside


def _best(queues: Iterable[_Queue[ItemIdT]], heaps: Sequence[str]) -> list[_Entry[ItemIdT]] | None:
    """Return the heap with the best candidate, of the first of the named heaps that any queue has candidates in."""
    every = list(queues)
    for name in heaps:
        filled: list[list[_Entry[ItemIdT]]] = [heap for queue in every if (heap := getattr(queue, name))]
        if filled:
            return min(filled, key=lambda heap: heap[0][:2])
    return None
