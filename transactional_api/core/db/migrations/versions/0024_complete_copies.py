"""Mark data exports that include the part of the pipelines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("data_exports", sa.Column("complete", sa.Boolean(), server_default=sa.false(), nullable=False))
