"""Add the definition, stop and readout of experiments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

TABLE = "experiments"


def upgrade() -> None:
    moment, text = sa.DateTime(timezone=True), sa.text
    for column in (
        sa.Column("hypothesis", sa.String(2_000), server_default=text("''"), nullable=False),
        sa.Column("primary_metric", sa.String(50), server_default=text("'acts'"), nullable=False),
        sa.Column("guardrails", postgresql.JSONB(), server_default=text("'[]'"), nullable=False),
        sa.Column("layer", sa.String(100), nullable=True),
        sa.Column("layer_start", sa.Float(), server_default=text("0"), nullable=False),
        sa.Column("share", sa.Float(), server_default=text("1"), nullable=False),
        sa.Column("starts_at", moment, nullable=True),
        sa.Column("ends_at", moment, nullable=True),
        sa.Column("stopped_at", moment, nullable=True),
        sa.Column("stop_reason", sa.String(500), server_default=text("''"), nullable=False),
        sa.Column("readout", postgresql.JSONB(), nullable=True),
        sa.Column("readout_at", moment, nullable=True),
    ):
        op.add_column(TABLE, column)
    op.create_check_constraint(
        op.f(f"ck_{TABLE}_share"), TABLE, "layer_start >= 0 AND share > 0 AND layer_start + share <= 1.000001"
    )
