"""Response bodies of relationships."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from transactional_api.core.media.addresses import AvatarAddress
from transactional_api.identity.users.people import Person
from transactional_api.identity.users.schemas import Relation


class RelatedUser(BaseModel):
    """A user in a list of follows, blocks or mutes."""

    user: Person
    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: AvatarAddress = Field(examples=["https://media.example.org/ada.jpg"])
    relation: Relation | None = Field(description="Your relation to them; null for yourself.")
    since: datetime = Field(examples=["2026-03-02T18:00:00Z"])
