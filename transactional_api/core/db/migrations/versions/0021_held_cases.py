"""Mark cases whose subject the content model hides until a moderator decides."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("moderation_cases", sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
