"""Connectors: groups, places and causes with their members."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Active, Base, Counter, CreatedAt, RowId, Str50, Str200, UpdatedAt, Url


class Connector(Base):
    """A connector. ``member_count`` and ``post_count`` are updated with the rows they count."""

    __tablename__ = "connectors"

    id: Mapped[RowId]
    name: Mapped[Str200]
    description: Mapped[str | None]
    category: Mapped[str] = mapped_column(String(100))
    image_url: Mapped[Url | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    is_public: Mapped[bool] = mapped_column(server_default=text("true"))
    member_count: Mapped[Counter]
    post_count: Mapped[Counter]
    rules: Mapped[str | None]
    settings: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    is_active: Mapped[Active]
    join_policy: Mapped[str] = mapped_column(String(20), server_default=text("'open'"))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    media_id: Mapped[UUID | None] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("join_policy IN ('open', 'approval', 'invitation')", name="join_policy"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="point"),
        Index("ix_connectors_latitude", "latitude"),
        Index("ix_connectors_created_at_id", "created_at", "id"),
        Index("ix_connectors_category_created_at_id", "category", "created_at", "id"),
        Index("ix_connectors_folded_category", text("search_fold(category)"), "created_at", "id"),
        Index("ix_connectors_member_count_id", "member_count", "id"),
        *(
            Index(f"ix_connectors_{name}_words", name, postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"})
            for name in ("name", "description")
        ),
    )

    @property
    def point(self) -> dict[str, float] | None:
        """Location in WGS 84 degrees, or None."""
        if self.latitude is None or self.longitude is None:
            return None
        return {"latitude": self.latitude, "longitude": self.longitude}


class ConnectorMember(Base):
    """A membership. Roles: ``member``, ``moderator`` (moderates content), ``admin`` (also manages the connector)."""

    __tablename__ = "connector_members"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    role: Mapped[Str50] = mapped_column(server_default=text("'member'"))
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)

    __table_args__ = (
        UniqueConstraint("connector_id", "user_id"),
        CheckConstraint("role IN ('member', 'moderator', 'admin')", name="role"),
        Index("ix_connector_members_connector_id_joined_at_id", "connector_id", "joined_at", "id"),
    )


class JoinRequest(Base):
    """A pending request to join; deleted when it is decided or withdrawn."""

    __tablename__ = "connector_join_requests"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("connector_id", "user_id"),
        Index("ix_connector_join_requests_connector_id_created_at_id", "connector_id", "created_at", "id"),
    )


class Invitation(Base):
    """A pending invitation, which permits joining under any policy; deleted when it is accepted or declined."""

    __tablename__ = "connector_invitations"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("connector_id", "user_id"),
        Index("ix_connector_invitations_connector_id_created_at_id", "connector_id", "created_at", "id"),
        Index("ix_connector_invitations_user_id_created_at_id", "user_id", "created_at", "id"),
    )


class Ban(Base):
    """A user who may neither see nor join a connector until ``end_date``, or permanently if it is null."""

    __tablename__ = "connector_bans"

    id: Mapped[RowId]
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    banned_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[CreatedAt]
    end_date: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("connector_id", "user_id"),
        Index("ix_connector_bans_connector_id_created_at_id", "connector_id", "created_at", "id"),
    )
