"""Exclusion mask of a feed: the items that one person does not get, each with its reason code.

One table of rules serves the API (acts read from PostgreSQL), the training sets and offline evaluation (acts read from
the lake). Rules of acts that are not read from the lake are marked ``online_only``. An act is
``(kind, item_id, occurred_at)``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, TypeVar

ItemIdT = TypeVar("ItemIdT", bound=Hashable)

LONG_DWELL_MS: Final = 10_000
"""Minimum dwell that counts as reading; a shorter one is no implicit feedback."""
IMPRESSION_DAYS: Final = 7
"""Days for which an impression excludes an item."""
OPENED_DAYS: Final = 365
"""Days for which an opened post is excluded; the API deletes the record afterwards."""

DECISION_DAYS: Final = 7
"""Days for which decisions of feeds are stored."""


class Exclusion(StrEnum):
    """Reason codes, the strongest first."""

    OWN = "own"
    HIDDEN = "hidden"
    JOINED = "joined"
    REQUESTED = "requested"
    VISITED = "visited"
    ANSWERED = "answered"
    DECLINED = "declined"
    BOUGHT = "bought"
    LIKED = "liked"
    COMMENTED = "commented"
    OPENED = "opened"
    SHOWN = "recently_shown"


_STRENGTH: Final = {reason: rank for rank, reason in enumerate(Exclusion)}


@dataclass(frozen=True, slots=True)
class Rule:
    """Effect of one kind of act on its item.

    Attributes:
        reason: the reason code.
        lasts: time after which the act no longer counts; None for no limit.
        may_return: whether the item may fill a page if no other items are left.
        online_only: whether only the API has such acts: ``pipelines.transforms.activity.activity_events`` has none, so
            training sets and offline evaluation do not exclude their items.
    """

    reason: Exclusion
    lasts: timedelta | None = None
    may_return: bool = False
    online_only: bool = False


_HIDDEN: Final = Rule(Exclusion.HIDDEN)
_OPENED: Final = Rule(Exclusion.OPENED, lasts=timedelta(days=OPENED_DAYS))
_SHOWN: Final = Rule(Exclusion.SHOWN, lasts=timedelta(days=IMPRESSION_DAYS), may_return=True)

RULES: Final[Mapping[str, Mapping[str, Rule]]] = {
    "post": {
        "post": Rule(Exclusion.OWN),
        "like": Rule(Exclusion.LIKED),
        "reaction": Rule(Exclusion.LIKED),
        "comment": Rule(Exclusion.COMMENTED),
        "click": _OPENED,
        "dwell": _OPENED,
        "hide": _HIDDEN,
        "impression": _SHOWN,
    },
    # An opened connector is not excluded: opening it precedes joining. A visit is a check-in at a venue.
    "connector": {
        "found": Rule(Exclusion.OWN),
        "join": Rule(Exclusion.JOINED),
        # Requests to join are not captured.
        "request": Rule(Exclusion.REQUESTED, online_only=True),
        "visit": Rule(Exclusion.VISITED),
        "hide": _HIDDEN,
        "impression": _SHOWN,
    },
    # An opened event or item is not excluded: opening it precedes the answer or the purchase.
    "event": {
        # Hosts and sellers are columns of the item and no acts of the lake: the stream reads acts alone.
        "host": Rule(Exclusion.OWN, online_only=True),
        "rsvp": Rule(Exclusion.ANSWERED),
        # In the lake a refusal ends the act "rsvp", and is no act of its own.
        "decline": Rule(Exclusion.DECLINED, online_only=True),
        "hide": _HIDDEN,
        "impression": _SHOWN,
    },
    "item": {
        "sell": Rule(Exclusion.OWN, online_only=True),
        "purchase": Rule(Exclusion.BOUGHT),
        "hide": _HIDDEN,
        "impression": _SHOWN,
    },
}


@dataclass(slots=True)
class Mask(Generic[ItemIdT]):
    """Items excluded from one person's feed of one kind.

    Attributes:
        excluded: items that are never served, with the strongest reason.
        shown: items that are served only after all others, with the time of the last impression.
    """

    excluded: dict[ItemIdT, Exclusion] = field(default_factory=dict)
    shown: dict[ItemIdT, datetime] = field(default_factory=dict)

    def reason(self, item_id: ItemIdT) -> Exclusion | None:
        """Return the reason for which an item is excluded; None if it may be served."""
        return self.excluded.get(item_id) or (Exclusion.SHOWN if item_id in self.shown else None)

    def split(self, item_ids: Iterable[ItemIdT]) -> tuple[list[ItemIdT], list[ItemIdT]]:
        """Return the items to serve first, in the given order, and the shown ones, least recently shown first."""
        eligible = [item_id for item_id in item_ids if item_id not in self.excluded]
        fresh = [item_id for item_id in eligible if item_id not in self.shown]
        shown = [item_id for item_id in eligible if item_id in self.shown]
        return fresh, sorted(shown, key=self.shown.__getitem__)


def excludes(item_kind: str, act: str) -> bool:
    """Return whether an act of this kind excludes its item, even from filling a page."""
    rule = RULES[item_kind].get(act)
    return rule is not None and not rule.may_return


def mask_of(acts: Iterable[tuple[str, ItemIdT, datetime]], *, item_kind: str, at: datetime) -> Mask[ItemIdT]:
    """Return the mask of one person at ``at``, from their acts with items of ``item_kind``.

    Acts without a rule, acts after ``at`` and expired acts are ignored.
    """
    rules, mask = RULES[item_kind], Mask[ItemIdT]()
    for kind, item_id, occurred_at in acts:
        rule = rules.get(kind)
        if rule is None or occurred_at > at or (rule.lasts is not None and occurred_at <= at - rule.lasts):
            continue
        if rule.may_return:
            mask.shown[item_id] = max(occurred_at, mask.shown.get(item_id, occurred_at))
        else:
            current = mask.excluded.get(item_id, rule.reason)
            mask.excluded[item_id] = min(current, rule.reason, key=_STRENGTH.__getitem__)
    for item_id in mask.excluded:
        mask.shown.pop(item_id, None)
    return mask
