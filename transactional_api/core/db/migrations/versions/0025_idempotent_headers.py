"""Store the headers of idempotent responses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    headers = sa.Column("headers", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    op.add_column("idempotency_keys", headers)
