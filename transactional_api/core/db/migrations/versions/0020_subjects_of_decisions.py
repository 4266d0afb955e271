"""Store the subject of a moderation decision in the decision, so that its change event contains it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("moderation_decisions", sa.Column("subject_kind", sa.String(20)))
    op.add_column("moderation_decisions", sa.Column("subject_id", sa.Uuid()))
