"""Connectors: the groups, places and causes that neighbours meet in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Active, Base, Counter, CreatedAt, RowId, Str50, Str200, UpdatedAt, Url


class Connector(Base):
    """A connector. ``member_count`` and ``post_count`` are kept by whoever adds or removes the rows they count."""

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

    __table_args__ = (
        Index("ix_connectors_created_at_id", "created_at", "id"),
        Index("ix_connectors_category_created_at_id", "category", "created_at", "id"),
        Index("ix_connectors_member_count_id", "member_count", "id"),
        *(
            Index(f"ix_connectors_{name}_words", name, postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"})
            for name in ("name", "description")
        ),
    )


class ConnectorMember(Base):
    """A membership. Roles: ``member``, ``moderator`` (tends posts), ``admin`` (also the connector itself)."""

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
