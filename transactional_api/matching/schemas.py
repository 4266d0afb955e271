"""Who and what fits a person, on the wire."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from neighborconnect.contracts.matching import MAX_COMPANIONS, MAX_MATCHES
from transactional_api.answers import Answered
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.text import RequestBody
from transactional_api.users.schemas import PublicUser


class MatchBody(RequestBody):
    """How many matches are asked for."""

    limit: int = Field(default=20, ge=1, le=MAX_MATCHES, examples=[20])


class CommunitiesBody(MatchBody):
    """How many connectors are asked for, and with whom you would like to be in them."""

    with_user_ids: list[UUID] = Field(
        default=[],
        max_length=MAX_COMPANIONS,
        description="People whom you follow and who follow you; connectors then fit all of you.",
        examples=[["f61d941e-641d-45e2-9350-e8c76a3a5853"]],
    )


class Matched(BaseModel):
    """Why something matches."""

    score: float = Field(description="Higher is better; comparable within one answer only.", examples=[2.5])
    reason: str = Field(examples=["shared_interests"])


class MatchedUser(Matched):
    """A neighbour who fits."""

    user: PublicUser


class MatchedUsers(Answered):
    """Neighbours who fit, the best first."""

    matches: list[MatchedUser]


class MatchedConnector(Matched):
    """A connector that fits."""

    connector: ConnectorOut


class MatchedConnectors(Answered):
    """Connectors that fit, the best first."""

    matches: list[MatchedConnector]


class MatchedInterest(Matched):
    """An interest that fits."""

    interest: str = Field(examples=["cycling"])


class MatchedInterests(Answered):
    """Interests that fit, the best first."""

    matches: list[MatchedInterest]
