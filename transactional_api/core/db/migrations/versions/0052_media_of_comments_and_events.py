"""Let comments and events refer to uploads. Change capture does not publish the references."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

TABLES = ("comments", "events")


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    with op.get_context().autocommit_block():
        for table in TABLES:
            ids = sa.Column("media_ids", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
            op.add_column(table, ids, if_not_exists=True)
            create_index(
                f"ix_{table}_media_ids",
                f"{table} USING gin (media_ids jsonb_path_ops) WHERE media_ids <> '[]'::jsonb",
            )
