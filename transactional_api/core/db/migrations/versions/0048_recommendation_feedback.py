"""Create feedback on recommendations: more like this, and muted categories, connectors and authors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recommendation_feedback",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("signal", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendation_feedback")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recommendation_feedback_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name=op.f("fk_recommendation_feedback_author_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "user_id",
            "kind",
            "item_id",
            "author_id",
            "category",
            name=op.f("uq_recommendation_feedback_subject"),
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint(
            "num_nonnulls(item_id, author_id, category) = 1", name=op.f("ck_recommendation_feedback_subject")
        ),
        sa.CheckConstraint("signal IN ('more_like_this', 'mute')", name=op.f("ck_recommendation_feedback_signal")),
    )
    op.create_index(op.f("ix_recommendation_feedback_author_id"), "recommendation_feedback", ["author_id"])
