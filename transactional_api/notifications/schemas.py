"""Notifications on the wire."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from transactional_api.notifications.channels import Channel, NoticeKind
from transactional_api.text import RequestBody


class NotificationOut(BaseModel):
    """Something that others did, and where it leads."""

    id: UUID = Field(examples=["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"])
    kind: str = Field(examples=["comment.created"])
    actor_id: UUID | None = Field(examples=["f61d941e-641d-45e2-9350-e8c76a3a5853"])
    subject_kind: str = Field(examples=["post"])
    subject_id: UUID = Field(examples=["7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8"])
    title: str = Field(examples=["ben.larsen commented on your post"])
    body: str = Field(examples=["I will bring pots."])
    created_at: datetime = Field(examples=["2026-03-03T08:00:00Z"])
    read_at: datetime | None = Field(examples=[None])


class UnreadCount(BaseModel):
    """How many notifications are unread."""

    unread: int = Field(examples=[3])


class MarkRead(RequestBody):
    """Which notifications are read; all of them where none is named."""

    notification_ids: list[UUID] | None = Field(
        default=None, max_length=1_000, examples=[["5a3bd3cf-0a6b-4ad8-8f5e-6d6d31f2c0b1"]]
    )


class Preference(RequestBody):
    """Whether you want notices of a kind by a channel."""

    kind: NoticeKind = Field(examples=["post.liked"])
    channel: Channel = Field(examples=["email"])
    wanted: bool = Field(examples=[False])


class Preferences(RequestBody):
    """Every kind by every channel; in a request, those to change."""

    preferences: list[Preference] = Field(max_length=100)
