"""Create preferences for recommendations: dials, and the opt-out of authors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

TABLE = "recommendation_preferences"
DIALS = ("near", "friends", "discovery", "recency")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("user_id", sa.Uuid(), nullable=False),
        *(sa.Column(dial, sa.Float(), server_default=sa.text("0"), nullable=False) for dial in DIALS),
        sa.Column("recommend_my_content", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f(f"pk_{TABLE}")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{TABLE}_user_id"), ondelete="CASCADE"),
        *(sa.CheckConstraint(f"{dial} BETWEEN -1 AND 1", name=op.f(f"ck_{TABLE}_{dial}")) for dial in DIALS),
    )
