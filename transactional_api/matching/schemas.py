"""Who and what fits a person, on the wire."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field, StrictInt, field_validator

from neighborconnect.contracts.matching import MAX_COMPANIONS, MAX_MATCHES, MAX_OFFERS, MAX_SEEKERS
from transactional_api.answers import Answered
from transactional_api.connectors.schemas import ConnectorOut
from transactional_api.events.schemas import EventOut
from transactional_api.text import RequestBody
from transactional_api.users.schemas import PublicUser


class MatchBody(RequestBody):
    """How many matches are asked for."""

    limit: StrictInt = Field(default=20, ge=1, le=MAX_MATCHES, examples=[20])


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


class MatchedEvent(Matched):
    """An event that is near."""

    event: EventOut


class MatchedNear(MatchedUsers):
    """Who and what is near. Connectors and events come by rule, whichever path found the neighbours."""

    connectors: list[MatchedConnector]
    events: list[MatchedEvent]


class MatchedInterest(Matched):
    """An interest that fits."""

    interest: str = Field(examples=["cycling"])


class MatchedInterests(Answered):
    """Interests that fit, the best first."""

    matches: list[MatchedInterest]


_ADA, _BEN = "f61d941e-641d-45e2-9350-e8c76a3a5853", "0b0f3f0e-6a6f-4f0f-9d61-2f1f0d7d9c11"


class Seeker(RequestBody):
    """Somebody who would like a place."""

    user_id: UUID = Field(examples=[_BEN])
    prefers: list[UUID] = Field(
        default=[], max_length=MAX_SEEKERS, description="Whom they would rather have, the first first.", examples=[[]]
    )


class Offer(Seeker):
    """Somebody who has places to give."""

    user_id: UUID = Field(examples=[_ADA])
    places: StrictInt = Field(default=1, ge=1, le=MAX_SEEKERS, examples=[3])


class MutualBody(RequestBody):
    """Members of a connector who offer places, and members who seek one."""

    connector_id: UUID = Field(description="One that you tend.", examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    offers: list[Offer] = Field(
        min_length=1, max_length=MAX_OFFERS, examples=[[{"user_id": _ADA, "places": 3, "prefers": []}]]
    )
    seekers: list[Seeker] = Field(
        min_length=1, max_length=MAX_SEEKERS, examples=[[{"user_id": _BEN, "prefers": [_ADA]}]]
    )

    @field_validator("offers", "seekers")
    @classmethod
    def _once(cls, side: list[Seeker]) -> list[Seeker]:
        if len({one.user_id for one in side}) < len(side):
            raise ValueError("name everybody once")
        return side


class Assigned(Matched):
    """A seeker and whose place they get."""

    offer_user_id: UUID = Field(examples=[_ADA])
    seeker_user_id: UUID = Field(examples=[_BEN])


class Assignment(Answered):
    """Who gets whose place. No two would both rather have each other than what they got."""

    pairs: list[Assigned]
    unplaced_user_ids: list[UUID] = Field(description="Seekers for whom there was no place.", examples=[[]])
