"""Consents, data exports and erasures."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId


class Consent(Base):
    """One decision of a user on a purpose; the newest row of a purpose applies."""

    __tablename__ = "consents"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(20))
    granted: Mapped[bool]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("purpose IN ('personalization', 'analytics', 'marketing', 'research')", name="purpose"),
        Index("ix_consents_user_id_created_at_id", "user_id", "created_at", "id"),
    )


class DataExport(Base):
    """A data export of a user: an object in the media bucket until it expires.

    It is ``ready`` with the data of the API, and ``complete`` once it includes the part of the pipelines.
    """

    __tablename__ = "data_exports"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(20), server_default=text("'waiting'"))
    complete: Mapped[bool] = mapped_column(server_default=false())
    object_key: Mapped[str | None] = mapped_column(String(200))
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'ready')", name="state"),
        Index("ix_data_exports_user_id_created_at_id", "user_id", "created_at", "id"),
    )


class Erasure(Base):
    """An erasure request. ``receipt`` grows by one line per location; its access code is stored as a hash.

    ``done_at`` is the completion in the stores of the API, ``platform_done_at`` that in the analytical stores. After
    both, ``signed_receipt`` is the signed receipt, which does not change any more.
    """

    __tablename__ = "erasures"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    # Change capture publishes the column under its stored name, which messages in Kafka and rows of the lake have.
    keep_words: Mapped[bool] = mapped_column("keeps_words")
    requested_at: Mapped[CreatedAt] = mapped_column(index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    receipt: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    influenced_models: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    signed_receipt: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    done_at: Mapped[datetime | None]
    platform_done_at: Mapped[datetime | None]
