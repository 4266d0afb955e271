"""Stable assignment of seekers to offers with capacities, by deferred acceptance.

Gale and Shapley, "College Admissions and the Stability of Marriage", 1962. Seekers propose in order of preference, and
offers keep the proposals that they prefer. The result is stable, and optimal for seekers among all stable assignments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Preferences:
    """Preferences of one participant: acceptable others, most preferred first, and the capacity of an offer."""

    order: Sequence[UUID]
    capacity: int = 1


def stable_assignment(seekers: Mapping[UUID, Preferences], offers: Mapping[UUID, Preferences]) -> dict[UUID, UUID]:
    """Return the offer of each assigned seeker."""
    ranks = {
        offer: {seeker: rank for rank, seeker in enumerate(preferences.order)} for offer, preferences in offers.items()
    }
    accepted: dict[UUID, list[UUID]] = {offer: [] for offer in offers}
    proposals = {seeker: deque(preferences.order) for seeker, preferences in seekers.items()}
    free = deque(seekers)
    while free:
        seeker = free.popleft()
        while proposals[seeker]:
            offer = proposals[seeker].popleft()
            if seeker not in ranks.get(offer, {}):
                continue
            accepted[offer] = sorted([*accepted[offer], seeker], key=ranks[offer].__getitem__)
            if len(accepted[offer]) > offers[offer].capacity:
                free.append(accepted[offer].pop())
            break
    return {seeker: offer for offer, assigned in accepted.items() for seeker in assigned}
