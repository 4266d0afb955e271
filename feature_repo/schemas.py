"""The columns of every feature view, said once: Feast's fields, the offline tables and the transforms read them.

Light on purpose (no Feast, no Polars), so that anything may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from neighborconnect.contracts import features as names

EVENT_TIMESTAMP = "event_timestamp"
USER_ID = "user_id"
CONNECTOR_ID = "connector_id"
POST_ID = "post_id"
MODEL_VERSION = "model_version"


class FeatureType(StrEnum):
    """Types that a feature can have."""

    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT32_LIST = "float32[]"
    STRING_LIST = "string[]"


@dataclass(frozen=True, slots=True)
class ViewSchema:
    """Entity keys (all text) and features of one view; every row has ``event_timestamp`` in UTC beside them."""

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


# What a person does, and the plural that its counts are named by.
COUNTED_KINDS = {
    "impression": "impressions",
    "click": "clicks",
    "like": "likes",
    "comment": "comments",
    "join": "joins",
    "post": "posts",
    "visit": "visits",
}
ACTIVITY_WINDOWS = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "28d": timedelta(days=28),
}
RECENT_WINDOW = timedelta(hours=1)
MAX_RECENT_ITEMS = 20
MAX_CATEGORIES = 16

_COUNT, _REAL, _REALS, _TEXTS = (
    FeatureType.INT64,
    FeatureType.FLOAT32,
    FeatureType.FLOAT32_LIST,
    FeatureType.STRING_LIST,
)

USER_ACTIVITY = ViewSchema(
    names.USER_ACTIVITY,
    (USER_ID,),
    {f"{plural}_{window}": _COUNT for plural in COUNTED_KINDS.values() for window in ACTIVITY_WINDOWS},
)
USER_RECENT_ACTIVITY = ViewSchema(
    names.USER_RECENT_ACTIVITY,
    (USER_ID,),
    {
        **{f"{plural}_last_hour": _COUNT for plural in COUNTED_KINDS.values()},
        "recent_post_ids": _TEXTS,
        "recent_connector_ids": _TEXTS,
    },
)
USER_AFFINITY = ViewSchema(names.USER_AFFINITY, (USER_ID,), {"categories": _TEXTS, "weights": _REALS})
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

VIEW_SCHEMAS = {
    schema.name: schema
    for schema in (USER_ACTIVITY, USER_RECENT_ACTIVITY, USER_AFFINITY, USER_VECTORS, CONNECTOR_STATS, POST_STATS)
}
