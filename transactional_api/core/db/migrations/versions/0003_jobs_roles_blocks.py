"""Create the job queue, roles and suspension of accounts, blocks and mutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

from transactional_api.core.db.migrations.capture_0002 import USERS_0003, capture_statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The script of the queue has many statements with percent signs, so it bypasses SQLAlchemy's parameters.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 (a migration runs on a connection)
    connection.execute(SchemaManager.get_schema())

    op.add_column("users", sa.Column("role", sa.String(20), server_default=sa.text("'member'"), nullable=False))
    op.add_column("users", sa.Column("suspended_until", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_users_role"), "users", "role IN ('member', 'moderator', 'admin')", postgresql_not_valid=True
    )
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_role")
    for statement in capture_statements("users", USERS_0003):
        op.execute(statement)

    for table, left, right in (("blocks", "blocker_id", "blocked_id"), ("mutes", "muter_id", "muted_id")):
        op.create_table(
            table,
            sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
            sa.Column(left, sa.Uuid(), nullable=False),
            sa.Column(right, sa.Uuid(), nullable=False),
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
            sa.CheckConstraint(f"{left} <> {right}", name=op.f(f"ck_{table}_not_oneself")),
            sa.ForeignKeyConstraint([left], ["users.id"], name=op.f(f"fk_{table}_{left}"), ondelete="CASCADE"),
            sa.ForeignKeyConstraint([right], ["users.id"], name=op.f(f"fk_{table}_{right}"), ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
            sa.UniqueConstraint(left, right, name=op.f(f"uq_{table}_{left}_{right}")),
        )
        op.create_index(op.f(f"ix_{table}_{right}"), table, [right])
