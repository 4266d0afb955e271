"""The wire between the API and the matching bento: who and what fits a person."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.content import ModelAnswer

MAX_MATCHES = 100
MAX_COMPANIONS = 20
MAX_OFFERS = 25
MAX_SEEKERS = 100


class MatchKind(StrEnum):
    """What is matched with a person."""

    USERS = "users"
    COMMUNITIES = "communities"
    INTERESTS = "interests"
    PROXIMITY = "proximity"


class MatchRequest(BaseModel):
    """Match one person: ``POST /match`` on the bento, body ``{"request": ...}``.

    Connectors may be matched for a person together with others: ``with_user_ids``.
    """

    model_config = ConfigDict(extra="forbid")

    user_id: str
    with_user_ids: list[str] = Field(default=[], max_length=MAX_COMPANIONS)
    kind: MatchKind
    limit: int = Field(default=20, ge=1, le=MAX_MATCHES)


class Match(BaseModel):
    """One match: an id, or the name of an interest. A higher score is better, within one answer only."""

    key: str
    score: float
    reason: str


class MatchAnswer(ModelAnswer):
    """Matches, the best first."""

    matches: list[Match]


class PairsRequest(BaseModel):
    """Tell how well each of some people fits each of some others: ``POST /pairs`` on the bento."""

    model_config = ConfigDict(extra="forbid")

    user_ids: list[str] = Field(min_length=1, max_length=MAX_OFFERS)
    with_user_ids: list[str] = Field(min_length=1, max_length=MAX_SEEKERS)


class Pair(BaseModel):
    """How well two people fit; it is the same either way round."""

    user_id: str
    with_user_id: str
    score: float
    reason: str


class PairsAnswer(ModelAnswer):
    """The pairs of whom the model knows both, in no order."""

    pairs: list[Pair]
