"""Allow prices with the decimals of their currency: three in dinars, none in yen. No row is rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("marketplace_items", "marketplace_purchases"):
        op.alter_column(table, "price", type_=sa.Numeric(), existing_type=sa.Numeric(10, 2), existing_nullable=False)
