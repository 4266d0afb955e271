"""What a slice says when something happened that people want to hear of: one call, in its own transaction.

Whom it reaches, by which channel and when is for the fan-out job; the writer waits for one inserted row.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.jobs import queue
from transactional_api.resources import Resources


class Notice(BaseModel):
    """Something that happened.

    Attributes:
        kind: what, as ``noun.verb_past``, e.g. ``comment.created``.
        actor_id: who did it; never notified, nor anyone who blocks or mutes them. None for the platform itself.
        subject_kind, subject_id: the thing that the notification leads to, e.g. ``post`` and its id.
        title: one line that a person reads.
        body: more words, for channels that have room.
        user_ids: whom it concerns, and
        connector_id: whose members it concerns besides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    actor_id: UUID | None = None
    subject_kind: str
    subject_id: UUID
    title: str = Field(max_length=200)
    body: str = Field(default="", max_length=2_000)
    user_ids: list[UUID] = []
    connector_id: UUID | None = None


@queue.task("notifications.fan_out")
async def fan_out(resources: Resources, *, notice: dict[str, Any]) -> None:
    """Give the notice to everyone whom it concerns."""
    raise NotImplementedError(resources, notice)


async def notify(session: AsyncSession, notice: Notice) -> None:
    """Notify if and when the session's transaction commits."""
    await queue.defer(session, fan_out, notice=notice.model_dump(mode="json"))
