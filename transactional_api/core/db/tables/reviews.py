"""Reviews of connectors by their members."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import (
    Active,
    Base,
    Counter,
    CreatedAt,
    MediaIds,
    RowId,
    Str50,
    Str200,
    UpdatedAt,
    media_index,
)


class Review(Base):
    """A member's review of a connector, one per member. Moderators of the connector can set ``state`` to ``hidden``."""

    __tablename__ = "reviews"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    reviewer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[Str200]
    content: Mapped[str]
    rating: Mapped[int]
    helpful_count: Mapped[Counter]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    state: Mapped[Str50] = mapped_column(server_default=text("'visible'"))
    media_ids: Mapped[MediaIds]

    __table_args__ = (
        CheckConstraint("rating >= 1 AND rating <= 5", name="rating"),
        CheckConstraint("state IN ('visible', 'hidden')", name="state"),
        Index(
            "uq_reviews_connector_id_reviewer_id",
            "connector_id",
            "reviewer_id",
            unique=True,
            postgresql_where=text("is_active"),
        ),
        Index("ix_reviews_connector_id_created_at_id", "connector_id", "created_at", "id"),
        media_index("reviews"),
    )


class HelpfulVote(Base):
    """A vote that a review is helpful, once per user."""

    __tablename__ = "review_votes"

    id: Mapped[RowId]
    review_id: Mapped[UUID] = mapped_column(ForeignKey("reviews.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (UniqueConstraint("review_id", "user_id"),)
