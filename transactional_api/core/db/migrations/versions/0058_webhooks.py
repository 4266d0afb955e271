"""Add webhooks of third-party apps and the log of their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

ENDPOINTS, DELIVERIES = "webhook_endpoints", "webhook_deliveries"


def upgrade() -> None:
    op.create_table(
        ENDPOINTS,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("event_types", postgresql.JSONB(), nullable=False),
        sa.Column("secret_encrypted", sa.Text(), nullable=False),
        sa.Column("previous_secret_encrypted", sa.Text(), nullable=True),
        sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{ENDPOINTS}")),
        sa.ForeignKeyConstraint(["app_id"], ["oauth_apps.id"], name=op.f(f"fk_{ENDPOINTS}_app_id"), ondelete="CASCADE"),
    )
    op.create_index(op.f(f"ix_{ENDPOINTS}_app_id_created_at_id"), ENDPOINTS, ["app_id", "created_at", "id"])
    op.create_table(
        DELIVERIES,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(50), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(20), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{DELIVERIES}")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], [f"{ENDPOINTS}.id"], name=op.f(f"fk_{DELIVERIES}_endpoint_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed', 'withheld')", name=op.f(f"ck_{DELIVERIES}_state")
        ),
    )
    op.create_index(op.f(f"ix_{DELIVERIES}_endpoint_id_created_at_id"), DELIVERIES, ["endpoint_id", "created_at", "id"])
    op.create_index(op.f(f"ix_{DELIVERIES}_created_at"), DELIVERIES, ["created_at"])
