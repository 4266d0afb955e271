"""Media documents where there is no MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt, RowId


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
