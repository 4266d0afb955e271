"""The wire between the API and the recommendation bento (JSON over HTTP)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.events import ItemKind

MAX_ITEMS = 100
MAX_EXCLUDED = 5_000


class RankingPath(StrEnum):
    """Which path answered. The first three are the bento's; the last is the API's fallback."""

    COLLABORATIVE = "collaborative"
    CONTENT = "content"
    POPULAR = "popular"
    POPULAR_NEARBY = "popular_nearby"


class RankRequest(BaseModel):
    """Rank items of one kind for one person: ``POST /rank`` on the bento, body ``{"request": ...}``."""

    model_config = ConfigDict(extra="forbid")

    request_id: str
    user_id: str
    item_kind: ItemKind
    limit: int = Field(default=20, ge=1, le=MAX_ITEMS)
    exclude: list[str] = Field(default_factory=list, max_length=MAX_EXCLUDED)
    """Ids that must not come back: own, joined and hidden items."""


class RankedItem(BaseModel):
    """One recommended item; a higher score is better, comparable within one answer only."""

    item_id: str
    score: float
    reason: str


class RankResponse(BaseModel):
    """The answer, with what is needed to explain and to replay it."""

    model_config = ConfigDict(protected_namespaces=())

    items: list[RankedItem]
    path: RankingPath
    reason_code: str | None
    """Why a weaker path answered (``no_user_vector``, ``stale_user_vector``, …); null on the best one."""
    model_version: str
    snapshot_version: str
    features: dict[str, Any]
