"""Connectors and memberships on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from transactional_api.places import Point
from transactional_api.text import Line, Link, RequestBody, Text


class Role(StrEnum):
    """What a member may do: a moderator tends posts, an admin also the connector."""

    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"


TENDS = frozenset({Role.MODERATOR, Role.ADMIN})
"""Who tends what members make."""


class JoinPolicy(StrEnum):
    """How one who may see a connector joins it; an invitation opens each of them."""

    OPEN = "open"
    APPROVAL = "approval"
    INVITATION = "invitation"


class Posting(StrEnum):
    """Who may post."""

    MEMBERS = "members"
    MODERATORS = "moderators"


class ConnectorSettings(RequestBody):
    """What an admin may set beside the description."""

    posting: Posting = Field(
        default=Posting.MEMBERS, description="`moderators`: only they and admins post.", examples=["members"]
    )


def _set(stored: Any) -> Any:
    return {} if stored is None else stored


_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


class ConnectorBody(RequestBody):
    """A connector as its admin writes it; PUT replaces all of it."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Dean Street Gardeners"])
    category: Annotated[Line, StringConstraints(min_length=1, max_length=100)] = Field(examples=["gardening"])
    description: Annotated[Text, StringConstraints(max_length=5_000)] | None = Field(
        default=None, examples=["We share seeds, tools and the bed on the corner."]
    )
    image_url: Annotated[Link, StringConstraints(max_length=500)] | None = Field(
        default=None, examples=["https://media.example.org/garden.jpg"]
    )
    is_public: StrictBool = Field(
        default=True, description="A private connector and its posts are seen by members only.", examples=[True]
    )
    rules: Annotated[Text, StringConstraints(max_length=5_000)] | None = Field(
        default=None, examples=["Be kind. No selling."]
    )
    join_policy: JoinPolicy = Field(
        default=JoinPolicy.OPEN,
        description="A private connector is not seen from outside, so only an invitation leads into it.",
        examples=["open"],
    )
    point: Point | None = Field(
        default=None, description="Where it is, for lists by distance.", examples=[_EXAMPLE_POINT]
    )
    settings: ConnectorSettings = Field(default=ConnectorSettings(), examples=[{"posting": "members"}])


class ConnectorOut(BaseModel):
    """A connector."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    name: str = Field(examples=["Dean Street Gardeners"])
    description: str | None = Field(examples=["We share seeds, tools and the bed on the corner."])
    category: str = Field(examples=["gardening"])
    image_url: str | None = Field(examples=["https://media.example.org/garden.jpg"])
    created_by: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    is_public: bool = Field(examples=[True])
    member_count: int = Field(examples=[41])
    post_count: int = Field(examples=[128])
    rules: str | None = Field(examples=["Be kind. No selling."])
    join_policy: JoinPolicy = Field(examples=["open"])
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    settings: Annotated[ConnectorSettings, BeforeValidator(_set)] = Field(examples=[{"posting": "members"}])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ConnectorDetail(ConnectorOut):
    """A connector, with what the viewer is in it."""

    role: Role | None = Field(description="The viewer's role; null for who is not a member.", examples=["member"])


class Standing(StrEnum):
    """Where a person stands with a connector after they asked to join."""

    MEMBER = "member"
    REQUESTED = "requested"


class Membership(BaseModel):
    """The viewer's own membership, or their request for it."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    status: Standing = Field(examples=["member"])
    role: Role | None = Field(description="Null until the request is accepted.", examples=["member"])
    joined_at: datetime | None = Field(examples=["2026-03-02T18:00:00Z"])


class MemberOut(BaseModel):
    """One member in a connector's list."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    role: Role = Field(examples=["member"])
    joined_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class RoleBody(RequestBody):
    """The role that a member is to have."""

    role: Role = Field(examples=["moderator"])


class Decision(StrEnum):
    """The answer to a request to join."""

    ACCEPT = "accept"
    DECLINE = "decline"


class DecisionBody(RequestBody):
    """An answer to a request to join."""

    decision: Decision = Field(examples=["accept"])


class JoinRequestOut(BaseModel):
    """One who asks to join."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class InvitationBody(RequestBody):
    """Whom to invite."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])


class InvitationOut(JoinRequestOut):
    """One who was invited, and by whom."""

    invited_by: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])


class OwnInvitation(BaseModel):
    """A connector that the viewer is invited to; of a private one this is all that they see."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    name: str = Field(examples=["Dean Street Gardeners"])
    description: str | None = Field(examples=["We share seeds, tools and the bed on the corner."])
    category: str = Field(examples=["gardening"])
    image_url: str | None = Field(examples=["https://media.example.org/garden.jpg"])
    member_count: int = Field(examples=[41])
    invited_by: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class BanBody(RequestBody):
    """Why and for how long somebody stays outside."""

    reason: Annotated[Line, StringConstraints(max_length=500)] | None = Field(default=None, examples=["Spam"])
    days: StrictInt | None = Field(
        default=None, ge=1, le=3_650, description="For good where it is null.", examples=[30]
    )


class BanOut(BaseModel):
    """One who stays outside."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    reason: str | None = Field(examples=["Spam"])
    banned_by: UUID | None = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])
    ends_at: datetime | None = Field(examples=["2026-04-01T18:00:00Z"])


class CategoryOut(BaseModel):
    """A category, and how many connectors of it the viewer may see."""

    category: str = Field(examples=["gardening"])
    connectors: int = Field(examples=[12])


class Categories(BaseModel):
    """The categories there are, the largest first."""

    items: list[CategoryOut]
