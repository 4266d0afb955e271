"""Response schema of the live status."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field


class LiveStatus(BaseModel):
    """Current activity in a connector, at most some seconds old."""

    connector_id: UUID = Field(examples=["5b0b7f8e-2b0e-4d53-9c39-8f7c3f0f4f55"])
    online_member_count: int | None = Field(
        description="Members who are online; null for non-members and when presence is unavailable.", examples=[12]
    )
    new_post_ids: list[UUID] = Field(
        description="Posts newer than `after_post_id`, newest first; without it, the latest posts.",
        examples=[["0d4d3a56-63ad-4c1d-9f5c-2f6d8c1f7a10"]],
    )
    upcoming_event_ids: list[UUID] = Field(
        description="Ongoing and future events, ordered by start time.",
        examples=[["7c0e1d7b-8a43-4a0c-8a59-3b1b9f4c2e21"]],
    )
