"""Connectors and memberships on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from transactional_api.text import Line, Link, RequestBody, Text


class Role(StrEnum):
    """What a member may do: a moderator tends posts, an admin also the connector."""

    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"


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
    is_public: bool = Field(
        default=True, description="A private connector and its posts are seen by members only.", examples=[True]
    )
    rules: Annotated[Text, StringConstraints(max_length=5_000)] | None = Field(
        default=None, examples=["Be kind. No selling."]
    )


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
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ConnectorDetail(ConnectorOut):
    """A connector, with what the viewer is in it."""

    role: Role | None = Field(description="The viewer's role; null for who is not a member.", examples=["member"])


class Membership(BaseModel):
    """The viewer's own membership."""

    model_config = ConfigDict(from_attributes=True)

    connector_id: UUID = Field(examples=["0d6cf0a6-1a6b-4f6a-9b57-6ab8f2ab7d10"])
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    role: Role = Field(examples=["member"])
    joined_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])


class MemberOut(BaseModel):
    """One member in a connector's list."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    role: Role = Field(examples=["member"])
    joined_at: datetime = Field(examples=["2026-03-02T18:00:00Z"])
