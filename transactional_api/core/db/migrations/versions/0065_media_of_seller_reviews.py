"""Let reviews of sellers refer to uploads. Change capture does not publish the references."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    with op.get_context().autocommit_block():
        ids = sa.Column("media_ids", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
        op.add_column("seller_reviews", ids, if_not_exists=True)
        create_index(
            "ix_seller_reviews_media_ids",
            "seller_reviews USING gin (media_ids jsonb_path_ops) WHERE media_ids <> '[]'::jsonb",
        )
