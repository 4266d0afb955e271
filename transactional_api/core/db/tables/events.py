"""Events of connectors, and their attendees."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import (
    Active,
    Base,
    Counter,
    CreatedAt,
    MediaIds,
    RowId,
    Str200,
    UpdatedAt,
    media_index,
)


class Event(Base):
    """An event. ``attendee_count`` includes guests; ``is_active`` is false once the event is canceled.

    ``revision`` is the iCalendar sequence number, which a database trigger increments.
    """

    __tablename__ = "events"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[Str200]
    description: Mapped[str | None]
    location: Mapped[str | None] = mapped_column(String(500))
    start_date: Mapped[datetime]
    end_date: Mapped[datetime | None]
    max_attendees: Mapped[int | None]
    attendee_count: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    time_zone: Mapped[str] = mapped_column(String(64), server_default=text("'UTC'"))
    hides_attendees: Mapped[bool] = mapped_column(server_default=text("false"))
    revision: Mapped[Counter]
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        CheckConstraint("end_date > start_date", name="ends_after_start"),
        CheckConstraint("max_attendees > 0", name="places"),
        CheckConstraint("attendee_count >= 0 AND attendee_count <= max_attendees", name="capacity"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="point"),
        Index("ix_events_connector_id_start_date_id", "connector_id", "start_date", "id"),
        Index("ix_events_start_date_id", "start_date", "id"),
        Index("ix_events_latitude", "latitude"),
        Index("ix_events_end_date", "end_date"),
        media_index("events"),
    )


class EventAttendee(Base):
    """A user's response. ``waiting`` users are promoted in order of their response once there is capacity."""

    __tablename__ = "event_attendees"

    id: Mapped[RowId]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(20), server_default=text("'attending'"))
    joined_at: Mapped[CreatedAt]
    guests: Mapped[Counter]

    __table_args__ = (
        UniqueConstraint("event_id", "user_id"),
        CheckConstraint("status IN ('attending', 'maybe', 'declined', 'waiting')", name="status"),
        CheckConstraint("guests BETWEEN 0 AND 10", name="guests"),
        Index("ix_event_attendees_event_id_status_joined_at_id", "event_id", "status", "joined_at", "id"),
    )
