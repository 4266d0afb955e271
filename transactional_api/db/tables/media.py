"""Media documents where there is no MongoDB, and what PostgreSQL keeps of media wherever the documents are."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Active, Base, CreatedAt, RowId


class MediaDocument(Base):
    """One document of a named collection; past ``expires_at`` it counts as gone."""

    __tablename__ = "media_documents"

    id: Mapped[RowId]
    collection: Mapped[str] = mapped_column(String(50))
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)

    __table_args__ = (
        Index("ix_media_documents_collection_created_at_id", "collection", "created_at", "id"),
        Index(
            "ix_media_documents_document",
            "document",
            postgresql_using="gin",
            postgresql_ops={"document": "jsonb_path_ops"},
        ),
    )


class Upload(Base):
    """An upload that is ready, as moderation sees it: what it shows in words, and whether others see it."""

    __tablename__ = "uploads"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    words: Mapped[str] = mapped_column(Text, server_default="")
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]


class MediaCaption(Base):
    """The words of a story or reel, as moderation sees them, and whether others see it; the id is the document's."""

    __tablename__ = "media_captions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    words: Mapped[str] = mapped_column(Text)
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("kind IN ('story', 'reel')", name="kind"),)


class MediaUsage(Base):
    """How many bytes a person's uploads take; raised and lowered in one step, so that no two pass the quota at once."""

    __tablename__ = "media_usage"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("bytes >= 0", name="bytes"),)


class MediaMark(Base):
    """A person viewed or liked a story or reel; each counts once."""

    __tablename__ = "media_marks"

    id: Mapped[RowId]
    document_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("document_id", "user_id", "kind"),
        CheckConstraint("kind IN ('view', 'like')", name="kind"),
    )
