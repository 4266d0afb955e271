"""Create retired usernames, and an index on the skeletons of usernames."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retired_usernames",
        sa.Column("name_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name_hash", name=op.f("pk_retired_usernames")),
    )
    op.create_index(
        "ix_users_username_skeleton",
        "users",
        [sa.text("replace(replace(translate(username, '01._-', 'ol'), 'rn', 'm'), 'vv', 'w')")],
    )
