"""Index the folded category of connectors, which is compared with stated interests regardless of case."""

from __future__ import annotations

from alembic import op

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index while connectors are written to."""
    with op.get_context().autocommit_block():
        create_index("ix_connectors_folded_category", "connectors (search_fold(category), created_at, id)")
