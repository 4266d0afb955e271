"""Add the time of the last reset of personalization, and capture it: training and features ignore earlier acts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.capture_0002 import USERS_0022, capture_statements

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("personalization_reset_at", sa.DateTime(timezone=True), nullable=True))
    for statement in capture_statements("users", (*USERS_0022, "personalization_reset_at")):
        op.execute(statement)
