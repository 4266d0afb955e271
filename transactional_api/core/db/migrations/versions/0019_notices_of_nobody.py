"""Index notifications without an actor by their subject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_notifications_of_nobody", "notifications", ["subject_id"], postgresql_where=sa.text("actor_id IS NULL")
    )
