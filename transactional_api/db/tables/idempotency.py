"""Stored answers of idempotent writes, which a repeated request gets again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt


class IdempotencyKey(Base):
    """The answer to one write, by who asked, which route and the client's key."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int]
    headers: Mapped[list[list[str]]] = mapped_column(JSONB, server_default=text("'[]'"))
    """Names and values of the answer's own headers, without the length of its body."""
    body: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
