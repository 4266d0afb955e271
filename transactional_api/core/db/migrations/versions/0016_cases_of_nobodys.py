"""Allow moderation cases about subjects without an owner, such as imported connectors."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("moderation_cases", "owner_id", nullable=True)
