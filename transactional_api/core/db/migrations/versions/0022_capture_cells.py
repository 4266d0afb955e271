"""Capture home cells, for matching, and the subjects of decisions that 0020 added."""

from __future__ import annotations

from alembic import op

from transactional_api.core.db.migrations.capture_0002 import (
    MODERATION_DECISIONS_0022,
    USERS_0022,
    capture_statements,
)

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, columns in (("users", USERS_0022), ("moderation_decisions", MODERATION_DECISIONS_0022)):
        for statement in capture_statements(table, columns):
            op.execute(statement)
