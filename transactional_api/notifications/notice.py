"""What a slice says when something happened that people want to hear of: one call, in its own transaction.

Whom it reaches, and by which channel, is for the fan-out job; the writer waits for one inserted row.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.jobs import queue
from transactional_api.notifications import fan_out
from transactional_api.notifications.channels import NoticeKind
from transactional_api.resources import Resources


class Notice(BaseModel):
    """Something that happened.

    Attributes:
        id: the same notice reaches a person once.
        kind: what.
        actor_id: who did it; never notified, nor anyone who blocks or mutes them. None for the platform itself.
        subject_kind, subject_id: the thing that the notification leads to, e.g. ``post`` and its id.
        title: one line that a person reads.
        body: more words, for channels that have room.
        user_ids: whom it concerns, and
        connector_id: whose members it concerns besides, or
        everyone: that it concerns all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID = Field(default_factory=uuid4)
    kind: NoticeKind
    actor_id: UUID | None = None
    subject_kind: str
    subject_id: UUID
    title: str = Field(max_length=200)
    body: str = Field(default="", max_length=2_000)
    user_ids: list[UUID] = []
    connector_id: UUID | None = None
    everyone: bool = False


@queue.task("notifications.deliver", priority=queue.Priority.NOTICE)
async def deliver(resources: Resources, *, notice: dict[str, Any]) -> None:
    """Give the notice to everyone whom it concerns."""
    await fan_out.fan_out(resources, notice=notice)


async def notify(session: AsyncSession, notice: Notice) -> None:
    """Notify if and when the session's transaction commits."""
    await queue.defer(session, deliver, notice=notice.model_dump(mode="json"))
