"""Columns of every feature view, shared by Feast's fields, the offline tables and the transforms.

Imports neither Feast nor Polars, so that every package can import it at no cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from neighborconnect.contracts import features as names

EVENT_TIMESTAMP = "event_timestamp"
USER_ID = "user_id"
CONNECTOR_ID = "connector_id"
POST_ID = "post_id"
MODEL_VERSION = "model_version"
AUTHOR_ID = "author_id"
H3_CELL = "h3_cell"
EVENT_ID = "event_id"
MARKETPLACE_ITEM_ID = "marketplace_item_id"
USER_KEYS = (USER_ID, AUTHOR_ID)
"""Keys that hold the id of a user, whose erasure deletes the row."""


class FeatureType(StrEnum):
    """Types that a feature can have."""

    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT32_LIST = "float32[]"
    STRING_LIST = "string[]"


@dataclass(frozen=True, slots=True)
class ViewSchema:
    """Entity keys (all text) and features of one view; every row has ``event_timestamp`` in UTC, too."""

    name: str
    keys: tuple[str, ...]
    features: dict[str, FeatureType]

    @property
    def table(self) -> str:
        """The offline table, with its schema."""
        return f"{names.OFFLINE_SCHEMA}.{self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the offline table, in order."""
        return (*self.keys, EVENT_TIMESTAMP, *self.features)


# Interaction kinds, and the plural that their counts are named by.
COUNTED_KINDS = {
    "impression": "impressions",
    "click": "clicks",
    "like": "likes",
    "comment": "comments",
    "join": "joins",
    "post": "posts",
    "visit": "visits",
    "reaction": "reactions",
    "review": "reviews",
    "rsvp": "event_rsvps",
    "purchase": "purchases",
}
ACTIVITY_WINDOWS = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "28d": timedelta(days=28),
}
MONTH_WINDOWS = {"7d": timedelta(days=7), "28d": timedelta(days=28)}
RECENT_WINDOW = timedelta(hours=1)
SESSION_GAP = timedelta(minutes=30)
"""A session ends when its user does nothing for this long."""
MAX_RECENT_ITEMS = 20
MAX_CATEGORIES = 16
MAX_HIDDEN_CONNECTORS = 50

# Kinds of acts that a view counts, and the plural that their counts are named by: a line adds a feature per window.
NEGATIVE_KINDS = {"hide": "hides", "block": "blocks", "mute": "mutes"}
USER_AUTHOR_KINDS = {"impression": "impressions", "click": "clicks", "like": "likes", "comment": "comments"}
USER_CONNECTOR_KINDS = COUNTED_KINDS
AUTHOR_KINDS = {"post": "posts", "impression": "views", "click": "clicks", "like": "likes", "comment": "comments"}
PLACE_KINDS = {"visit": "visits", "join": "joins", "post": "posts", "like": "likes", "comment": "comments"}
EVENT_KINDS = {"impression": "views", "click": "clicks", "rsvp": "rsvps"}
MARKETPLACE_ITEM_KINDS = {"impression": "impressions", "click": "clicks", "visit": "views", "purchase": "purchases"}
_ITEM_WINDOWS = ("1d", "7d", "total")

_COUNT, _REAL, _REALS, _TEXTS = (
    FeatureType.INT64,
    FeatureType.FLOAT32,
    FeatureType.FLOAT32_LIST,
    FeatureType.STRING_LIST,
)


def _counts(kinds: Mapping[str, str], windows: Iterable[str]) -> dict[str, FeatureType]:
    return {f"{plural}_{window}": _COUNT for plural in kinds.values() for window in windows}


USER_ACTIVITY = ViewSchema(
    names.USER_ACTIVITY,
    (USER_ID,),
    _counts(COUNTED_KINDS, ACTIVITY_WINDOWS),
)
USER_RECENT_ACTIVITY = ViewSchema(
    names.USER_RECENT_ACTIVITY,
    (USER_ID,),
    {
        **_counts(COUNTED_KINDS, ("last_hour",)),
        "session_acts": _COUNT,
        "session_minutes": _REAL,
        "recent_post_ids": _TEXTS,
        "recent_connector_ids": _TEXTS,
        "recent_event_ids": _TEXTS,
        "recent_item_ids": _TEXTS,
    },
)
USER_AFFINITY = ViewSchema(
    names.USER_AFFINITY, (USER_ID,), {"categories": _TEXTS, "weights": _REALS, "evidence": _REAL}
)
USER_VECTORS = ViewSchema(names.USER_VECTORS, (USER_ID, MODEL_VERSION), {"factors": _REALS, "content": _REALS})
CONNECTOR_STATS = ViewSchema(
    names.CONNECTOR_STATS,
    (CONNECTOR_ID,),
    {
        **{
            f"{plural}_{window}": _COUNT
            for plural in ("views", "clicks", "visits", "joins", "posts", "likes", "comments")
            for window in ("7d", "28d", "total")
        },
        "members": _COUNT,
        "click_through": _REAL,
        "age_days": _REAL,
    },
)
POST_STATS = ViewSchema(
    names.POST_STATS,
    (POST_ID,),
    {
        **{
            f"{plural}_{window}": _COUNT
            for plural in ("views", "clicks", "likes", "comments")
            for window in ("1d", "7d", "total")
        },
        "click_through": _REAL,
        "age_hours": _REAL,
    },
)

USER_NEGATIVES = ViewSchema(
    names.USER_NEGATIVES, (USER_ID,), {**_counts(NEGATIVE_KINDS, MONTH_WINDOWS), "hidden_connector_ids": _TEXTS}
)
USER_AUTHOR = ViewSchema(names.USER_AUTHOR, (USER_ID, AUTHOR_ID), _counts(USER_AUTHOR_KINDS, MONTH_WINDOWS))
USER_CONNECTOR = ViewSchema(names.USER_CONNECTOR, (USER_ID, CONNECTOR_ID), _counts(USER_CONNECTOR_KINDS, MONTH_WINDOWS))
AUTHOR_STATS = ViewSchema(names.AUTHOR_STATS, (AUTHOR_ID,), _counts(AUTHOR_KINDS, MONTH_WINDOWS))
PLACE_STATS = ViewSchema(names.PLACE_STATS, (H3_CELL,), {**_counts(PLACE_KINDS, MONTH_WINDOWS), "people_28d": _COUNT})

EVENT_STATS = ViewSchema(names.EVENT_STATS, (EVENT_ID,), {**_counts(EVENT_KINDS, _ITEM_WINDOWS), "age_hours": _REAL})
MARKETPLACE_ITEM_STATS = ViewSchema(
    names.MARKETPLACE_ITEM_STATS,
    (MARKETPLACE_ITEM_ID,),
    {**_counts(MARKETPLACE_ITEM_KINDS, _ITEM_WINDOWS), "age_hours": _REAL},
)

VIEW_SCHEMAS = {
    schema.name: schema
    for schema in (
        USER_ACTIVITY,
        USER_RECENT_ACTIVITY,
        USER_AFFINITY,
        USER_VECTORS,
        USER_NEGATIVES,
        USER_AUTHOR,
        USER_CONNECTOR,
        CONNECTOR_STATS,
        POST_STATS,
        AUTHOR_STATS,
        PLACE_STATS,
        EVENT_STATS,
        MARKETPLACE_ITEM_STATS,
    )
}
