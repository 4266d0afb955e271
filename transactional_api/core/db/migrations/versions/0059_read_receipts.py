"""Let people switch read receipts off. Change capture does not publish it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column: sa.Column[bool] = sa.Column(
        "shows_read_receipts", sa.Boolean(), server_default=sa.text("true"), nullable=False
    )
    op.add_column("users", column, if_not_exists=True)
