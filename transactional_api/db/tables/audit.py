"""Who changed what, in a chain that shows when a link was changed or taken out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.db.base import Base, CreatedAt


class AuditEntry(Base):
    """One action that changed state. ``place`` and ``digest`` are null until the entry is sealed into the chain."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[CreatedAt]
    # No foreign key: an entry outlives the account.
    actor_id: Mapped[UUID] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(String(100))
    subject: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str] = mapped_column(String(64))
    place: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    digest: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (Index("ix_audit_log_unsealed", "id", postgresql_where=text("place IS NULL")),)
