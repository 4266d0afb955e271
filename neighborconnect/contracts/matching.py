"""Wire format between the API and the matching service."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.content import ModelResponse

MAX_MATCHES = 100
MAX_COMPANIONS = 20
MAX_OFFERS = 25
MAX_SEEKERS = 100


class MatchKind(StrEnum):
    """Kind of the candidates of a match."""

    USERS = "users"
    COMMUNITIES = "communities"
    INTERESTS = "interests"
    PROXIMITY = "proximity"


class MatchRequest(BaseModel):
    """Match one user: ``POST /match``, body ``{"request": ...}``.

    Connectors may be matched for a group: the user and ``with_user_ids``.
    """

    model_config = ConfigDict(extra="ignore")

    user_id: str
    with_user_ids: list[str] = Field(default=[], max_length=MAX_COMPANIONS)
    kind: MatchKind
    limit: int = Field(default=20, ge=1, le=MAX_MATCHES)


class Match(BaseModel):
    """One match: an id, or the name of an interest. Scores are comparable within one response only."""

    key: str
    score: float
    reason: str


class MatchResponse(ModelResponse):
    """Matches by descending score."""

    matches: list[Match]


class PairsRequest(BaseModel):
    """Score every pair of two sets of users: ``POST /pairs``."""

    model_config = ConfigDict(extra="ignore")

    user_ids: list[str] = Field(min_length=1, max_length=MAX_OFFERS)
    with_user_ids: list[str] = Field(min_length=1, max_length=MAX_SEEKERS)


class Pair(BaseModel):
    """Match score of two users; symmetric."""

    user_id: str
    with_user_id: str
    score: float
    reason: str


class PairsResponse(ModelResponse):
    """Pairs of users that are both in the social graph, in no order."""

    pairs: list[Pair]
