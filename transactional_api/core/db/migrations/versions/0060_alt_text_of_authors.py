"""Let authors describe their uploads: the text is screened as the one of other content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("alt_text", sa.Text(), nullable=True), if_not_exists=True)
