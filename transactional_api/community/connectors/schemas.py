"""Request and response schemas of connectors and memberships."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from transactional_api.core.geography import Point
from transactional_api.core.http.partial_updates import Patch, patch_of
from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.core.media.attachments import NewMediaId, OwnLink, ShowsPicture
from transactional_api.core.text import Line, RequestBody, Text
from transactional_api.identity.users.people import Person


class Role(StrEnum):
    """Role of a member. Moderators manage content and membership, admins also the connector itself."""

    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"


MODERATOR_ROLES = frozenset({Role.MODERATOR, Role.ADMIN})
"""Roles that can moderate content and membership."""


class JoinPolicy(StrEnum):
    """How users join a connector that they can see. An invitation always admits."""

    OPEN = "open"
    APPROVAL = "approval"
    INVITATION = "invitation"


class PostingPolicy(StrEnum):
    """Members who can create posts."""

    MEMBERS = "members"
    MODERATORS = "moderators"


class ConnectorSettings(RequestBody):
    """Settings of a connector."""

    posting: PostingPolicy = Field(
        default=PostingPolicy.MEMBERS,
        description="With `moderators`, only moderators and admins can create posts.",
        examples=["members"],
    )


def _default_settings(stored: Any) -> Any:
    return {} if stored is None else stored


_EXAMPLE_POINT = {"latitude": 40.6722, "longitude": -73.9772}


class ConnectorBody(RequestBody):
    """Editable fields of a connector; PUT replaces all of them."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(examples=["Dean Street Gardeners"])
    category: Annotated[Line, StringConstraints(min_length=1, max_length=100)] = Field(examples=["gardening"])
    description: Annotated[Text, StringConstraints(max_length=5_000)] | None = Field(
        default=None, examples=["We share seeds, tools and the bed on the corner."]
    )
    media_id: NewMediaId = None
    image_url: OwnLink | None = Field(
        default=None,
        json_schema_extra={"deprecated": True},
        description="Link to an own upload. Use `media_id` instead.",
        examples=[None],
    )
    is_public: StrictBool = Field(
        default=True, description="Whether non-members can see the connector and its content.", examples=[True]
    )
    rules: Annotated[Text, StringConstraints(max_length=5_000)] | None = Field(
        default=None, examples=["Be kind. No selling."]
    )
    join_policy: JoinPolicy = Field(
        default=JoinPolicy.OPEN,
        description="How users join. A private connector is invisible to others and can only be joined by invitation.",
        examples=["open"],
    )
    point: Point | None = Field(
        default=None, description="Location, used by the `near` filters.", examples=[_EXAMPLE_POINT]
    )
    settings: ConnectorSettings = Field(default=ConnectorSettings(), examples=[{"posting": "members"}])


@patch_of(ConnectorBody)
class ConnectorPatch(Patch):
    """Fields of a connector to change; absent ones stay, and null clears a field that may be null."""


class ConnectorOut(ShowsPicture):
    """A connector and the authenticated user's relation to it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    name: str = Field(examples=["Dean Street Gardeners"])
    description: str | None = Field(examples=["We share seeds, tools and the bed on the corner."])
    category: str = Field(examples=["gardening"])
    created_by: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    is_public: bool = Field(examples=[True])
    member_count: int = Field(examples=[41])
    post_count: int = Field(examples=[128])
    rules: str | None = Field(examples=["Be kind. No selling."])
    join_policy: JoinPolicy = Field(examples=["open"])
    point: Point | None = Field(examples=[_EXAMPLE_POINT])
    settings: Annotated[ConnectorSettings, BeforeValidator(_default_settings)] = Field(
        examples=[{"posting": "members"}]
    )
    role: Role | None = Field(description="Your role; null if you are not a member.", examples=["member"])
    requested: bool = Field(description="Whether your request to join is pending.", examples=[False])
    invited: bool = Field(description="Whether you have an invitation.", examples=[False])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ConnectorDetail(ConnectorOut):
    """A connector by itself."""


class JoinStatus(StrEnum):
    """Result of joining: a membership, or a pending request."""

    MEMBER = "member"
    REQUESTED = "requested"


class Membership(BaseModel):
    """The authenticated user's membership or join request."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    status: JoinStatus = Field(examples=["member"])
    role: Role | None = Field(description="Null until the request is accepted.", examples=["member"])
    joined_at: datetime | None = Field(examples=["2026-03-02T18:00:00Z"])


class MemberOut(BaseModel):
    """A member of a connector."""

    user: Person
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    role: Role = Field(examples=["member"])
    joined_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class RoleBody(RequestBody):
    """The new role of a member."""

    role: Role = Field(examples=["moderator"])


class Decision(StrEnum):
    """Decision on a join request."""

    ACCEPT = "accept"
    DECLINE = "decline"


class DecisionBody(RequestBody):
    """The decision on a join request."""

    decision: Decision = Field(examples=["accept"])


class JoinRequestOut(BaseModel):
    """A pending join request."""

    user: Person
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class InvitationBody(RequestBody):
    """The user to invite."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])


class InvitationOut(JoinRequestOut):
    """A pending invitation."""

    invited_by: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])


class ReceivedInvitation(ShowsPicture):
    """An invitation that the authenticated user received; for a private connector, it has all visible fields."""

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    name: str = Field(examples=["Dean Street Gardeners"])
    description: str | None = Field(examples=["We share seeds, tools and the bed on the corner."])
    category: str = Field(examples=["gardening"])
    member_count: int = Field(examples=[41])
    invited_by: UUID = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    inviter: Person
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class BanBody(RequestBody):
    """Reason and duration of a ban."""

    reason: Annotated[Line, StringConstraints(max_length=500)] | None = Field(default=None, examples=["Spam"])
    days: StrictInt | None = Field(
        default=None, ge=1, le=3_650, description="Duration of the ban; null for a permanent ban.", examples=[30]
    )


class BanOut(BaseModel):
    """A banned user."""

    user: Person
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    reason: str | None = Field(examples=["Spam"])
    banned_by: UUID | None = Field(examples=["0b7bb8b5-7e44-4b5f-8d8b-5f0d3f3d9c11"])
    created_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])
    end_date: datetime | None = Field(examples=["2026-04-01T18:00:00Z"])


class ConnectorCategory(BaseModel):
    """A category and the number of visible connectors in it."""

    category: str = Field(examples=["gardening"])
    connector_count: int = Field(examples=[12])


class ConnectorCategories(BaseModel):
    """Categories with at least one visible connector, largest first."""

    items: list[ConnectorCategory]
