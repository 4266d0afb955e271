"""What people allow us to do with what we know of them, their copies of it, and the end of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt, RowId


class Consent(Base):
    """What a person once said to a purpose; the newest row of a purpose holds."""

    __tablename__ = "consents"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(20))
    granted: Mapped[bool]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("purpose IN ('personalisation', 'analytics', 'marketing', 'research')", name="purpose"),
        Index("ix_consents_user_id_created_at_id", "user_id", "created_at", "id"),
    )


class DataExport(Base):
    """A person's copy of what is known of them: an object of the media bucket, until it expires.

    It is ``ready`` with what the product's stores hold, and ``complete`` once the pipelines' part is in it, too.
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
    """The wish to be forgotten. ``receipt`` grows by a line a place; the code it is read with is kept as a hash.

    ``done_at`` is when the product's own stores had forgotten, ``platform_done_at`` when the others had.
    """

    __tablename__ = "erasures"

    id: Mapped[RowId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    keeps_words: Mapped[bool]
    requested_at: Mapped[CreatedAt] = mapped_column(index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    receipt: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    done_at: Mapped[datetime | None]
    platform_done_at: Mapped[datetime | None]
