"""Experiments (A/B tests)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Active, Base, CreatedAt, RowId, UpdatedAt


class Experiment(Base):
    """An experiment. ``variants`` are names with weights and ranking parameters; the first is the control.

    It has the people from ``layer_start`` to ``layer_start + share`` of its layer; without a layer, of its own.
    """

    __tablename__ = "experiments"

    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(String(100), unique=True)
    variants: Mapped[list[Any]] = mapped_column(JSONB)
    is_active: Mapped[Active]
    hypothesis: Mapped[str] = mapped_column(String(2_000), server_default=text("''"))
    primary_metric: Mapped[str] = mapped_column(String(50), server_default=text("'acts'"))
    guardrails: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    layer: Mapped[str | None] = mapped_column(String(100))
    layer_start: Mapped[float] = mapped_column(server_default=text("0"))
    share: Mapped[float] = mapped_column(server_default=text("1"))
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    readout: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    readout_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    __table_args__ = (
        CheckConstraint("layer_start >= 0 AND share > 0 AND layer_start + share <= 1.000001", name="share"),
        Index("ix_experiments_created_at_id", "created_at", "id"),
    )
