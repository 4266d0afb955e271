"""Interactions with lists of events and of items, as arrays in the form of those with feeds."""

from __future__ import annotations

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.feeds import Impressions
from simulator.reactions import Reactions
from simulator.town import Interactions, Item, Kind


def browsing_of(
    item_kind: Item, shown: Impressions, acts: Reactions, *, user: Ints, until: Floats, end: float, first_request: int
) -> Interactions:
    """Return the interactions with the shown items.

    Args:
        item_kind: kind of the items.
        shown: the impressions.
        acts: the reactions to them.
        user: person of each impression.
        until: time until which each shown item can be acted on; later acts are left out.
        end: end of the history.
        first_request: number of the first request.
    """
    rows = [
        Interactions(
            user=user[chosen].astype(np.int32),
            kind=np.full(len(chosen), kind, dtype=np.int8),
            item_kind=np.full(len(chosen), item_kind, dtype=np.int8),
            item=shown.item[chosen].astype(np.int32),
            request=(shown.request[chosen] + first_request).astype(np.int32),
            position=shown.position[chosen].astype(np.int16),
            dwell_ms=acts.dwell_ms[chosen] if kind is Kind.DWELL else np.full(len(chosen), -1, dtype=np.int32),
            at=times[chosen],
        )
        for kind, chosen, times in (
            (Kind.IMPRESSION, np.arange(len(user)), acts.shown_at),
            (Kind.CLICK, np.flatnonzero(acts.clicked), acts.clicked_at),
            (Kind.DWELL, np.flatnonzero(acts.clicked), acts.left_at),
            (Kind.HIDE, np.flatnonzero(acts.hidden), acts.hidden_at),
        )
        for chosen in (chosen[(times[chosen] < end) & (times[chosen] < until[chosen])],)
    ]
    return Interactions.concatenate(rows)
