"""Request and response models of matching."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, field_validator

from neighborconnect.contracts.matching import MAX_COMPANIONS, MAX_MATCHES, MAX_OFFERS, MAX_SEEKERS
from transactional_api.community.connectors.schemas import ConnectorOut
from transactional_api.community.events.schemas import EventOut
from transactional_api.core.inference.client import PredictionResult
from transactional_api.core.text import RequestBody
from transactional_api.identity.users.schemas import PublicUser


class MatchBody(RequestBody):
    """Number of requested matches."""

    limit: StrictInt = Field(default=20, ge=1, le=MAX_MATCHES, examples=[20])


class ConnectorMatchBody(MatchBody):
    """Number of requested connectors, and the friends with whom to join them."""

    with_user_ids: list[UUID] = Field(
        default=[],
        max_length=MAX_COMPANIONS,
        description="Users whom you follow and who follow you; the matches suit all of you.",
        examples=[["f61d941e-641d-45e2-9350-e8c76a3a5853"]],
    )


class Matched(BaseModel):
    """Score and reason of a match."""

    score: float = Field(description="Higher is better; comparable within one response only.", examples=[2.5])
    reason: str = Field(examples=["shared_interests"])


class MatchedUser(Matched):
    """Matched user."""

    user: PublicUser


class MatchedUsers(PredictionResult):
    """Matched users, best first."""

    matches: list[MatchedUser]


class MatchedConnector(Matched):
    """Matched connector."""

    connector: ConnectorOut


class MatchedConnectors(PredictionResult):
    """Matched connectors, best first."""

    matches: list[MatchedConnector]


class MatchedEvent(Matched):
    """Nearby event."""

    event: EventOut


class ProximityMatches(MatchedUsers):
    """Nearby users, connectors and events. Rules select connectors and events, whatever the source of the users."""

    connectors: list[MatchedConnector]
    events: list[MatchedEvent]


class MatchedInterest(Matched):
    """Matched interest."""

    interest: str = Field(examples=["cycling"])


class MatchedInterests(PredictionResult):
    """Matched interests, best first."""

    matches: list[MatchedInterest]


_ADA, _BEN = "f61d941e-641d-45e2-9350-e8c76a3a5853", "0b0f3f0e-6a6f-4f0f-9d61-2f1f0d7d9c11"


class Seeker(RequestBody):
    """Member who seeks an offer."""

    user_id: UUID = Field(examples=[_BEN])
    preferences: list[UUID] = Field(
        default=[],
        max_length=MAX_SEEKERS,
        description="Preferred users of the other side, most preferred first.",
        examples=[[]],
    )


class Offer(Seeker):
    """Member who makes an offer."""

    user_id: UUID = Field(examples=[_ADA])
    capacity: StrictInt = Field(default=1, ge=1, le=MAX_SEEKERS, description="Number of seekers.", examples=[3])


class MutualBody(RequestBody):
    """Offers and seekers among the members of a connector."""

    connector_id: UUID = Field(
        description="A connector that you moderate.", examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"]
    )
    offers: list[Offer] = Field(
        min_length=1, max_length=MAX_OFFERS, examples=[[{"user_id": _ADA, "capacity": 3, "preferences": []}]]
    )
    seekers: list[Seeker] = Field(
        min_length=1, max_length=MAX_SEEKERS, examples=[[{"user_id": _BEN, "preferences": [_ADA]}]]
    )

    @field_validator("offers", "seekers")
    @classmethod
    def _has_unique_users(cls, side: list[Seeker]) -> list[Seeker]:
        if len({participant.user_id for participant in side}) < len(side):
            raise ValueError("user ids must be unique")
        return side


class MatchedPair(Matched):
    """Seeker and the offer to which they are assigned."""

    offer_user_id: UUID = Field(examples=[_ADA])
    seeker_user_id: UUID = Field(examples=[_BEN])


class MatchAssignment(PredictionResult):
    """Stable assignment: no seeker and offer both prefer each other to their assignment."""

    pairs: list[MatchedPair]
    unassigned_user_ids: list[UUID] = Field(description="Seekers without an offer.", examples=[[]])
