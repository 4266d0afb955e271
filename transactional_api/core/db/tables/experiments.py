"""Experiments (A/B tests)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Active, Base, CreatedAt, RowId, UpdatedAt


class Experiment(Base):
    """An experiment. ``variants`` are names with weights; the first is the control."""

    __tablename__ = "experiments"

    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(String(100), unique=True)
    variants: Mapped[list[Any]] = mapped_column(JSONB)
    is_active: Mapped[Active]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    __table_args__ = (Index("ix_experiments_created_at_id", "created_at", "id"),)
