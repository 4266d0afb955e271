"""Create item exposures: items that a user was shown or opened, which feeds exclude."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "item_exposures",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("item_kind", sa.String(20), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True)),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("user_id", "item_kind", "item_id", name=op.f("pk_item_exposures")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_item_exposures_user_id_users"), ondelete="CASCADE"
        ),
    )
    # For the two retention jobs: items that were only shown, and those that were opened.
    op.create_index(
        "ix_item_exposures_shown_at", "item_exposures", ["shown_at"], postgresql_where=sa.text("opened_at IS NULL")
    )
    op.create_index(
        "ix_item_exposures_opened_at",
        "item_exposures",
        ["opened_at"],
        postgresql_where=sa.text("opened_at IS NOT NULL"),
    )
