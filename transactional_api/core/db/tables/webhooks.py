"""Webhook endpoints of third-party apps, and the log of their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from transactional_api.core.db.base import Base, CreatedAt, RowId, Str50


class WebhookEndpoint(Base):
    """An address of an app that receives events. Secrets are ciphertext.

    Until ``previous_secret_until``, messages are signed with the previous secret as well. ``failing_since`` is the time
    of the first failed attempt after the last success.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[RowId]
    app_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_apps.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(500))
    event_types: Mapped[list[Any]] = mapped_column(JSONB)
    secret_encrypted: Mapped[str]
    previous_secret_encrypted: Mapped[str | None]
    previous_secret_until: Mapped[datetime | None]
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    failing_since: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_webhook_endpoints_app_id_created_at_id", "app_id", "created_at", "id"),)


class WebhookDelivery(Base):
    """One event for one endpoint. ``id`` is the id of the message, which is the same in every attempt.

    ``attempts`` lists each attempt with its time, status, error and duration in milliseconds.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[RowId]
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event: Mapped[Str50]
    subject_id: Mapped[UUID]
    occurred_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20), server_default=text("'pending'"))
    attempts: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    next_attempt_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed', 'withheld')", name="state"),
        Index("ix_webhook_deliveries_endpoint_id_created_at_id", "endpoint_id", "created_at", "id"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )
