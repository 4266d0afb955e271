"""Who gets whose place: deferred acceptance, with as many places at each offer as it has.

Gale and Shapley, "College Admissions and the Stability of Marriage", 1962. Seekers ask in their own order, and offers
keep whom they would rather have. No seeker and offer would both rather have each other than what they got, and no
other such assignment is better for any seeker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Side:
    """One who takes part: the others in the order that they would have them in. Who is not in it is not to be had."""

    order: Sequence[UUID]
    places: int = 1


def assign(seekers: Mapping[UUID, Side], offers: Mapping[UUID, Side]) -> dict[UUID, UUID]:
    """Return the offer of each seeker who gets one."""
    ranks = {offer: {seeker: rank for rank, seeker in enumerate(side.order)} for offer, side in offers.items()}
    taken: dict[UUID, list[UUID]] = {offer: [] for offer in offers}
    to_ask = {seeker: deque(side.order) for seeker, side in seekers.items()}
    free = deque(seekers)
    while free:
        seeker = free.popleft()
        while to_ask[seeker]:
            offer = to_ask[seeker].popleft()
            if seeker not in ranks.get(offer, {}):
                continue
            taken[offer] = sorted([*taken[offer], seeker], key=ranks[offer].__getitem__)
            if len(taken[offer]) > offers[offer].places:
                free.append(taken[offer].pop())
            break
    return {seeker: offer for offer, those in taken.items() for seeker in those}
