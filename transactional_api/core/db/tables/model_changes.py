"""Promotions and rollbacks of models that admins request in the console."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId


class ModelChange(Base):
    """A requested change of a champion. The pipelines make it: the API has no rights to change the registry.

    ``version`` is null for a rollback to the version that the champion replaced, until the change is made.
    """

    __tablename__ = "model_changes"

    id: Mapped[RowId]
    model: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(20))
    version: Mapped[str | None] = mapped_column(String(20))
    is_forced: Mapped[bool] = mapped_column(server_default=text("false"))
    reason: Mapped[str] = mapped_column(String(500))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    state: Mapped[str] = mapped_column(String(20), server_default=text("'waiting'"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    detail: Mapped[str] = mapped_column(String(2_000), server_default=text("''"))

    __table_args__ = (
        CheckConstraint("action IN ('promote', 'rollback')", name="action"),
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
        Index("ix_model_changes_model_created_at", "model", "created_at"),
        # One change of a model at a time.
        Index("uq_model_changes_open", "model", unique=True, postgresql_where=text("state IN ('waiting', 'running')")),
    )
