"""Items that a person hid, was shown or opened, and their feedback. Other behavior is an event, without a table."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId


class HiddenItem(Base):
    """A post, connector, event or marketplace item that its viewer hid."""

    __tablename__ = "hidden_items"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    # Key of the row in change capture.
    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))

    __table_args__ = (Index("uq_hidden_items_id", "id", unique=True),)


class RecommendationFeedback(Base):
    """A ``more_like_this`` of a person, or what they muted in recommendations; ``less_like_this`` is a hidden item.

    ``item_id`` is that of a post, connector, event or marketplace item. ``category`` is folded by ``search_fold``.
    """

    __tablename__ = "recommendation_feedback"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    item_id: Mapped[UUID | None]
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    category: Mapped[str | None]
    signal: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # The first column serves the reads of one person.
        UniqueConstraint(
            "user_id",
            "kind",
            "item_id",
            "author_id",
            "category",
            name="uq_recommendation_feedback_subject",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("num_nonnulls(item_id, author_id, category) = 1", name="subject"),
        CheckConstraint("signal IN ('more_like_this', 'mute')", name="signal"),
    )


class RecommendationPreferences(Base):
    """Dials of a person, and whether strangers get recommendations of what they write; defaults without a row."""

    __tablename__ = "recommendation_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    near: Mapped[float] = mapped_column(server_default=text("0"))
    friends: Mapped[float] = mapped_column(server_default=text("0"))
    discovery: Mapped[float] = mapped_column(server_default=text("0"))
    recency: Mapped[float] = mapped_column(server_default=text("0"))
    recommend_my_content: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = tuple(
        CheckConstraint(f"{dial} BETWEEN -1 AND 1", name=dial) for dial in ("near", "friends", "discovery", "recency")
    )


class ItemExposure(Base):
    """An item that a person was shown or opened, as their client reported it; without consent there is no row."""

    __tablename__ = "item_exposures"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    shown_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_item_exposures_shown_at", "shown_at", postgresql_where=text("opened_at IS NULL")),
        Index("ix_item_exposures_opened_at", "opened_at", postgresql_where=text("opened_at IS NOT NULL")),
    )


class FeedDecision(Base):
    """Why an answer of a feed has its items in its order; without consent to tracking there is no row.

    ``excluded`` has the 16 bytes of each excluded item.
    """

    __tablename__ = "feed_decisions"

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    item_kind: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)
    excluded: Mapped[bytes]
