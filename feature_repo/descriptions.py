"""Description and unit of each feature, by its name.

Most names are regular: ``clicks_7d`` counts clicks in seven days. The others are listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WINDOWS = {
    "1h": "in the last hour",
    "last_hour": "in the last hour",
    "1d": "in the last day",
    "7d": "in the last 7 days",
    "28d": "in the last 28 days",
    "total": "since the beginning",
}
_COUNTS = {
    "impressions": "Items shown",
    "views": "Times shown",
    "clicks": "Clicks",
    "likes": "Likes",
    "comments": "Comments",
    "joins": "Joins of connectors",
    "posts": "Posts written",
    "visits": "Visits of connectors",
    "reactions": "Reactions",
    "reviews": "Reviews written",
    "event_rsvps": "Answers to events",
    "rsvps": "Answers",
    "purchases": "Purchases in the marketplace",
    "hides": "Items hidden",
    "blocks": "Users blocked",
    "mutes": "Users muted",
    "people": "Different users who were active",
}
_COUNT_NAME = re.compile(f"({'|'.join(_COUNTS)})_({'|'.join(_WINDOWS)})")


@dataclass(frozen=True, slots=True)
class FeatureDescription:
    """Meaning of a feature, and the unit of its values."""

    text: str
    unit: str


_OTHERS = {
    "session_acts": FeatureDescription("Acts in the current session", "count"),
    "session_minutes": FeatureDescription("Length of the current session", "minutes"),
    "recent_post_ids": FeatureDescription("Posts of the last hour's acts, newest first", "ids"),
    "recent_connector_ids": FeatureDescription("Connectors of the last hour's acts, newest first", "ids"),
    "recent_event_ids": FeatureDescription("Events of the last hour's acts, newest first", "ids"),
    "recent_item_ids": FeatureDescription("Marketplace items of the last hour's acts, newest first", "ids"),
    "hidden_connector_ids": FeatureDescription("Connectors that the user hid, newest first", "ids"),
    "categories": FeatureDescription("Preferred categories, heaviest first", "names"),
    "weights": FeatureDescription("Weights of the preferred categories, in their order", "share of 1"),
    "evidence": FeatureDescription("Decayed weight of the acts behind the affinity", "weighted acts"),
    "factors": FeatureDescription("Collaborative factors in the space of the model version", "none"),
    "content": FeatureDescription("Embedding of the content that the user engaged with", "none"),
    "members": FeatureDescription("Members", "count"),
    "click_through": FeatureDescription("Smoothed share of impressions that were clicked", "share of 1"),
    "age_days": FeatureDescription("Age since its creation", "days"),
    "age_hours": FeatureDescription("Age since its creation", "hours"),
}


def describe(feature: str) -> FeatureDescription:
    """Return the description of a feature; empty if it is neither named regularly nor listed in this module.

    A test requires a description of every feature.
    """
    counted = _COUNT_NAME.fullmatch(feature)
    if counted is None:
        return _OTHERS.get(feature, FeatureDescription("", ""))
    return FeatureDescription(f"{_COUNTS[counted[1]]} {_WINDOWS[counted[2]]}", "count")
