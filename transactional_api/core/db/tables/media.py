"""Media: documents when MongoDB is not configured, and rows that PostgreSQL stores in either case."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Active, Base, CreatedAt, RowId, Str50


class MediaDocument(Base):
    """A document of a named collection; after ``expires_at`` readers do not return it."""

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


class DocumentChange(Base):
    """A change of a captured document in MongoDB that may not be published yet."""

    __tablename__ = "document_changes"

    id: Mapped[RowId]
    collection: Mapped[Str50]
    document_id: Mapped[UUID]
    created_at: Mapped[CreatedAt]


class Upload(Base):
    """An upload as a subject of moderation: texts that describe its content, and whether others can see it.

    ``moderated_text`` is the description of the vision model, ``alt_text`` the one that the author gave.
    """

    __tablename__ = "uploads"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    moderated_text: Mapped[str] = mapped_column(Text, server_default="")
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]
    alt_text: Mapped[str | None]


class MediaCaption(Base):
    """Caption of a story or reel as a subject of moderation; the id is that of the document."""

    __tablename__ = "media_captions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connectors.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    caption: Mapped[str] = mapped_column(Text)
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("kind IN ('story', 'reel')", name="kind"),)


class MediaUsage(Base):
    """Bytes that a user's uploads occupy; updated atomically, so that concurrent uploads cannot exceed the quota."""

    __tablename__ = "media_usage"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("bytes >= 0", name="bytes"),)


class MediaEngagement(Base):
    """A view or like of a story or reel, once per user."""

    __tablename__ = "media_engagements"

    id: Mapped[RowId]
    document_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("document_id", "user_id", "kind"),
        CheckConstraint("kind IN ('view', 'like')", name="kind"),
    )
