"""What a connector's pulse is made of."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field


class Pulse(BaseModel):
    """What goes on in a connector, some seconds old at most."""

    connector_id: UUID = Field(examples=["5b0b7f8e-2b0e-4d53-9c39-8f7c3f0f4f55"])
    members_online: int | None = Field(
        description="How many members are there now; null to who is none, and where it is not known.", examples=[12]
    )
    new_post_ids: list[UUID] = Field(
        description="Posts that are newer than `after`, the newest first; recent ones without it.",
        examples=[["0d4d3a56-63ad-4c1d-9f5c-2f6d8c1f7a10"]],
    )
    upcoming_event_ids: list[UUID] = Field(
        description="Events that have not begun, the next one first.",
        examples=[["7c0e1d7b-8a43-4a0c-8a59-3b1b9f4c2e21"]],
    )
