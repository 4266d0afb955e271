"""Home cells leave for matching; what decisions are about, which 0020 added, leaves with them."""

from __future__ import annotations

from alembic import op

from neighborconnect.contracts.tables import MODERATION_DECISIONS, USERS
from transactional_api.cdc.ddl import trigger_statements

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (USERS, MODERATION_DECISIONS):
        for statement in trigger_statements(table):
            op.execute(statement)
