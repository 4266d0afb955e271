"""Notifications, preferences by kind and channel, delivery schedules and push devices."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId, Str50, Str200


class Notification(Base):
    """A notice as one user receives it: once, however often the job runs.

    ``source_kind`` and ``source_id`` name the quoted text if that is not the subject, such as a comment on a post.
    ``title`` and ``body`` are empty if they are rendered from the subject and the source on each read.
    """

    __tablename__ = "notifications"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    notice_id: Mapped[UUID]
    kind: Mapped[Str50]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    subject_kind: Mapped[Str50]
    subject_id: Mapped[UUID]
    source_kind: Mapped[Str50 | None]
    source_id: Mapped[UUID | None]
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
        Index("ix_notifications_group", "user_id", "kind", "subject_id", "created_at", "id"),
        # Notifications without an actor are deleted with their subject, the others with the actor.
        Index("ix_notifications_of_nobody", "subject_id", postgresql_where=text("actor_id IS NULL")),
    )


class NotificationPreference(Base):
    """Whether a user gets notifications of a kind through a channel; without a row, the default of the kind."""

    __tablename__ = "notification_preferences"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[Str50]
    channel: Mapped[str] = mapped_column(String(20))
    is_enabled: Mapped[bool]

    __table_args__ = (UniqueConstraint("user_id", "kind", "channel"),)


class DeliverySchedule(Base):
    """Quiet hours and the hour of the daily digest, in the user's time zone."""

    __tablename__ = "delivery_schedules"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    time_zone: Mapped[str] = mapped_column(String(64))
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    digest_hour: Mapped[int | None] = mapped_column(index=True)
    last_digest_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
        CheckConstraint("digest_hour BETWEEN 0 AND 23", name="digest_hour"),
    )


class PushDevice(Base):
    """A browser or phone that receives push messages. ``address`` is a Web Push endpoint or an Expo token."""

    __tablename__ = "push_devices"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    # Deleted with the session that registered it: a logged-out device receives no more messages.
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(1_000), unique=True)
    p256dh: Mapped[str | None] = mapped_column(String(200))
    auth: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[CreatedAt]

    __table_args__ = (CheckConstraint("kind IN ('web', 'expo')", name="kind"),)
