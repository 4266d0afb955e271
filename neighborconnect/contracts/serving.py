"""Wire format between the API and the recommendation service (JSON over HTTP)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from neighborconnect.contracts.events import ItemKind

MAX_ITEMS = 100
MAX_EXCLUDED = 5_000
MAX_INTERESTS = 50
MAX_LIKED = 50
MAX_MUTED = 500
INDEXING_LAG = timedelta(minutes=10)
"""Items of about the same time may reach the index in another order."""
SERVED_ROWS = "served_rows"
"""Field of the logged features: the online rows behind a sampled response, to measure their consistency."""
SAMPLED_PERCENT = 5


class RankingPath(StrEnum):
    """Source of a ranking. The first three are the service's; the last is the API's fallback."""

    COLLABORATIVE = "collaborative"
    CONTENT = "content"
    POPULAR = "popular"
    POPULAR_NEARBY = "popular_nearby"


class Hidden(BaseModel):
    """Hides minus ``more_like_this`` of the user by connector and by category, each weighted by its age."""

    model_config = ConfigDict(extra="ignore")

    connectors: dict[str, float] = Field(default_factory=dict)
    categories: dict[str, float] = Field(default_factory=dict)


class Muted(BaseModel):
    """Connectors and folded categories (``feed.interests.category_key``) that the user muted: none of their items."""

    model_config = ConfigDict(extra="ignore")

    connectors: list[str] = Field(default_factory=list, max_length=MAX_MUTED)
    categories: list[str] = Field(default_factory=list, max_length=MAX_MUTED)


class RankRequest(BaseModel):
    """Rank items of one kind for one user: ``POST /rank``, body ``{"request": ...}``."""

    model_config = ConfigDict(extra="ignore")

    request_id: str
    user_id: str
    item_kind: ItemKind
    limit: int = Field(default=20, ge=1, le=MAX_ITEMS)
    page: int | None = Field(default=None, ge=1)
    """Length of the page that the API makes of the answer: the answer contains that page, and spare items after it."""
    exclude: list[str] = Field(default_factory=list, max_length=MAX_EXCLUDED)
    """Ids to exclude, by the rules of ``neighborconnect.feed.eligibility``."""
    hidden: Hidden = Field(default_factory=Hidden)
    muted: Muted = Field(default_factory=Muted)
    at: AwareDatetime | None = None
    """Time of the request, for ages of items; now if None."""
    interests: list[str] = Field(default_factory=list, max_length=MAX_INTERESTS)
    """Interests that the user stated: the prior of their affinity, used from the first request on."""
    acts_since: AwareDatetime | None = None
    """Acts before this time do not count: the user reset personalization. None without a reset."""
    liked: list[str] = Field(default_factory=list, max_length=MAX_LIKED)
    """Items that the user liked or joined, newest first: reasons refer to them, and they do not affect the ranking."""


class Reason(BaseModel):
    """Part of an item's score, and what it comes from. The API renders its text for the viewer."""

    code: str
    """A ``neighborconnect.feed.reasons.ReasonCode``; a release may have codes that another one lacks."""
    share: float = Field(ge=0, le=1)
    """Share of the part in what lifts the item above the average candidate; 0 for an item that nothing lifts."""
    item_id: str | None = None
    """Item that the reason refers to, of the same kind as the ranked items."""
    category: str | None = None


class RankedItem(BaseModel):
    """One recommended item; scores are comparable within one response only."""

    item_id: str
    score: float
    reasons: list[Reason] = Field(default_factory=list)
    """At most three, the strongest first."""
    relevance: float | None = None
    """Score before the age and diversity rules, in [0, 1]; the API re-ranks by it when it adds items of its own."""


class RankResponse(BaseModel):
    """Ranking, with the fields needed to explain and to replay it."""

    model_config = ConfigDict(protected_namespaces=())

    items: list[RankedItem]
    path: RankingPath
    reason_code: str | None
    """Reason of a fallback (``no_user_vector``, ``stale_user_vector``, …); null without one."""
    model_version: str
    item_index_version: str
    features: dict[str, Any]
    features_age_ms: int | None = None
    """Age of the oldest stored features that the response used; None if it used none."""
    indexed_until: AwareDatetime | None = None
    """Creation of the newest item that was ranked: older ones were candidates, so the API adds only newer ones."""
    just_indexed: list[str] = Field(default_factory=list)
    """Candidates of the ``INDEXING_LAG`` before it, the newest 100: the API adds others of that time, not these."""
