"""Record of a page: the inputs of its re-ranking, from which the same order is built again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from neighborconnect.feed.policy import RankingPolicy
from neighborconnect.feed.reranking import Candidate, Carried, Dislikes, Page, Placed, static_value

MAX_OTHERS = 80
"""Candidates of a record that are not on the page: the best ones, for other parameters to choose from."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """Inputs of ``Page`` in the order in which it got them.

    Attributes:
        policy: parameters.
        limit: length of the page.
        dislikes, carried: as for ``Page``.
        fills: candidates of each call of ``fill``. Those that were not placed are left out beyond ``MAX_OTHERS``, which
            does not change the order under the same parameters: the best remaining candidate is always one that was
            placed.
    """

    policy: RankingPolicy
    limit: int
    dislikes: Dislikes
    carried: Carried
    fills: tuple[tuple[Candidate[str], ...], ...]

    @classmethod
    def of(
        cls,
        *,
        policy: RankingPolicy,
        limit: int,
        dislikes: Dislikes,
        carried: Carried,
        fills: Sequence[Sequence[Candidate[str]]],
        placed: Collection[str],
        most_others: int = MAX_OTHERS,
    ) -> PageRecord:
        """Return the record of a page with the items ``placed`` and the best ``most_others``."""
        on_page = set(placed)
        others = {
            one.item_id: static_value(one, policy=policy, dislikes=dislikes)
            for fill in fills
            for one in fill
            if one.item_id not in on_page
        }
        recorded = on_page.union(sorted(others, key=others.__getitem__, reverse=True)[:most_others])
        return cls(
            policy,
            limit,
            dislikes,
            carried,
            tuple(tuple(one for one in fill if one.item_id in recorded) for fill in fills),
        )

    def build(self, policy: RankingPolicy | None = None) -> list[Placed[str]]:
        """Return the page of these inputs, under other parameters if given."""
        page = Page[str](policy=policy or self.policy, limit=self.limit, dislikes=self.dislikes, carried=self.carried)
        for candidates in self.fills:
            page.fill(candidates)
        return page.items


PAGE_RECORDS: TypeAdapter[PageRecord] = TypeAdapter(PageRecord)
"""Serialization of records."""
