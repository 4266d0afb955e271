"""Create feed decisions: why an answer of a feed has its items in its order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_decisions",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("item_kind", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("record", JSONB(), nullable=False),
        sa.Column("excluded", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_feed_decisions")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_feed_decisions_user_id_users"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_feed_decisions_user_id"), "feed_decisions", ["user_id"])
    # For retention.
    op.create_index(op.f("ix_feed_decisions_created_at"), "feed_decisions", ["created_at"])
