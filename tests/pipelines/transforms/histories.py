"""Random histories, and the slow, obvious way to answer what the transforms answer fast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from pipelines.transforms.activity import ACTIVITY_EVENT_SCHEMA

START = datetime(2026, 3, 1, tzinfo=UTC)
# Two places of eight posts each: few enough that random acts meet.
CATEGORY = {"garden": "gardening", "chess": "games"}
POSTS = {f"{connector}-{number}": connector for connector in CATEGORY for number in range(4)}

POST_KINDS = ("impression", "click", "dwell", "hide", "like", "comment", "post")
CONNECTOR_KINDS = ("impression", "click", "hide", "visit", "join", "review")
KINDS = {
    "post": POST_KINDS,
    "connector": CONNECTOR_KINDS,
    "event": ("impression", "click", "rsvp"),
    "item": ("visit", "purchase"),
}
EVENTS = {"picnic": "garden", "open": "chess"}
GOODS = {"spade": "garden", "board": "chess"}
ITEMS = {"post": POSTS, "connector": dict(zip(CATEGORY, CATEGORY, strict=True)), "event": EVENTS, "item": GOODS}
RETRACTABLE = {"like", "comment", "join", "post", "rsvp", "purchase", "review"}


@dataclass(frozen=True)
class Act:
    """One row of ``ACTIVITY_EVENT_SCHEMA``."""

    user_id: str
    kind: str
    item_kind: str
    item_id: str
    connector_id: str
    category: str
    occurred_at: datetime
    retracted_at: datetime | None

    def counts_at(self, moment: datetime, *, window: timedelta | None = None) -> bool:
        """Whether the act counts at ``moment``, in the words of the contract."""
        if self.occurred_at > moment or (self.retracted_at is not None and self.retracted_at <= moment):
            return False
        return window is None or self.occurred_at > moment - window


def frame(acts: list[Act]) -> pl.LazyFrame:
    return pl.LazyFrame([vars(act) for act in acts], schema=ACTIVITY_EVENT_SCHEMA)


# Whole quarters of an hour make events and moments fall on each other and on the windows' edges.
_QUARTERS = st.integers(0, 4 * 24 * 120)


def times() -> st.SearchStrategy[datetime]:
    return _QUARTERS.map(lambda quarters: START + timedelta(minutes=15 * quarters))


@st.composite
def acts(draw: st.DrawFn) -> Act:
    item_kind = draw(st.sampled_from(tuple(KINDS)))
    occurred_at = draw(times())
    kind = draw(st.sampled_from(KINDS[item_kind]))
    item_id = draw(st.sampled_from(tuple(ITEMS[item_kind])))
    connector_id = ITEMS[item_kind][item_id]
    lasted = draw(st.none() | st.integers(0, 4 * 24 * 40)) if kind in RETRACTABLE else None
    return Act(
        user_id=draw(st.sampled_from(("ada", "bo", "cy"))),
        kind=kind,
        item_kind=item_kind,
        item_id=item_id,
        connector_id=connector_id,
        category=CATEGORY[connector_id],
        occurred_at=occurred_at,
        retracted_at=None if lasted is None else occurred_at + timedelta(minutes=15 * lasted),
    )


histories = st.lists(acts(), max_size=60)
moment_lists = st.lists(times(), min_size=1, max_size=6)
