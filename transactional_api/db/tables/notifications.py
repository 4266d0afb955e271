"""What people are told of, and how they want to be told."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt, RowId, Str50, Str200


class Notification(Base):
    """One notice as one person gets it. A notice reaches a person once, however often its job runs."""

    __tablename__ = "notifications"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    notice_id: Mapped[UUID]
    kind: Mapped[Str50]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    subject_kind: Mapped[Str50]
    subject_id: Mapped[UUID]
    title: Mapped[Str200]
    body: Mapped[str]
    created_at: Mapped[CreatedAt]
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("user_id", "notice_id"),
        Index("ix_notifications_user_id_created_at_id", "user_id", "created_at", "id"),
        Index(
            "ix_notifications_unread",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("read_at IS NULL"),
        ),
        # What nobody did is found by what it is about, to be forgotten with it; the rest goes with who did it.
        Index("ix_notifications_of_nobody", "subject_id", postgresql_where=text("actor_id IS NULL")),
    )


class NotificationPreference(Base):
    """Whether a person wants notices of a kind by a channel; without a row they do."""

    __tablename__ = "notification_preferences"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[Str50]
    channel: Mapped[str] = mapped_column(String(20))
    wanted: Mapped[bool]

    __table_args__ = (UniqueConstraint("user_id", "kind", "channel"),)


class NotificationHours(Base):
    """When a person does not want to be disturbed, and the hour of their daily letter if they want one; local time."""

    __tablename__ = "notification_hours"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    timezone: Mapped[str] = mapped_column(String(64))
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    digest_hour: Mapped[int | None] = mapped_column(index=True)
    digested_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
        CheckConstraint("digest_hour BETWEEN 0 AND 23", name="digest_hour"),
    )


class PushDevice(Base):
    """A browser or phone that pushes go to. ``address`` is a browser's endpoint, or a phone's Expo token."""

    __tablename__ = "push_devices"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    # It goes with the session that added it: a device that is logged out rings no more.
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(1_000), unique=True)
    p256dh: Mapped[str | None] = mapped_column(String(200))
    auth: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("kind IN ('web', 'expo')", name="kind"),)
