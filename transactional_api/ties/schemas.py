"""People in lists of ties."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class Neighbour(BaseModel):
    """A person, and since when the tie is there."""

    user_id: UUID = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    username: str = Field(examples=["ada.okafor"])
    avatar_url: str | None = Field(examples=["https://media.example.org/ada.jpg"])
    since: datetime = Field(examples=["2026-03-02T18:00:00Z"])
