"""Create the requested changes of champions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

TABLE = "model_changes"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("version", sa.String(20), nullable=True),
        sa.Column("is_forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(20), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.String(2_000), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name=op.f(f"fk_{TABLE}_requested_by"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("action IN ('promote', 'rollback')", name=op.f(f"ck_{TABLE}_action")),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name=op.f(f"ck_{TABLE}_state")),
    )
    op.create_index(op.f(f"ix_{TABLE}_requested_by"), TABLE, ["requested_by"])
    op.create_index(op.f(f"ix_{TABLE}_model_created_at"), TABLE, ["model", "created_at"])
    op.create_index(
        op.f(f"uq_{TABLE}_open"),
        TABLE,
        ["model"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
