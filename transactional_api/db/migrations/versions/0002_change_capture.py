"""Capture every committed change of the contract's tables in the outbox."""

from __future__ import annotations

from alembic import op

from neighborconnect.contracts.tables import CAPTURED_TABLES
from transactional_api.cdc.ddl import create_statements, trigger_statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Tables that came later begin their capture in the migration that makes them.
FIRST_CAPTURED = frozenset({"users", "connectors", "connector_members", "posts", "comments", "post_likes", "follows"})


def upgrade() -> None:
    for statement in create_statements():
        op.execute(statement)
    for table in CAPTURED_TABLES:
        if table.name in FIRST_CAPTURED:
            for statement in trigger_statements(table):
                op.execute(statement)
