"""Create admission to connectors (join policy, requests, invitations, bans) and their location."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.capture_0002 import CONNECTORS_0006, capture_statements

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connectors", sa.Column("join_policy", sa.String(20), server_default=sa.text("'open'"), nullable=False)
    )
    op.add_column("connectors", sa.Column("latitude", sa.Float()))
    op.add_column("connectors", sa.Column("longitude", sa.Float()))
    for name, rule in (
        ("join_policy", "join_policy IN ('open', 'approval', 'invitation')"),
        ("point", "(latitude IS NULL) = (longitude IS NULL)"),
    ):
        op.create_check_constraint(op.f(f"ck_connectors_{name}"), "connectors", rule, postgresql_not_valid=True)
        op.execute(f"ALTER TABLE connectors VALIDATE CONSTRAINT ck_connectors_{name}")
    op.create_index("ix_connectors_latitude", "connectors", ["latitude"])
    for statement in capture_statements("connectors", CONNECTORS_0006):
        op.execute(statement)

    _create("connector_join_requests")
    _create("connector_invitations", _person("invited_by"))
    _create(
        "connector_bans",
        _person("banned_by", nullable=True),
        sa.Column("reason", sa.String(500)),
        sa.Column("end_date", sa.DateTime(timezone=True)),
    )
    op.create_index(op.f("ix_connector_join_requests_user_id"), "connector_join_requests", ["user_id"])
    op.create_index(
        "ix_connector_invitations_user_id_created_at_id", "connector_invitations", ["user_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_connector_invitations_invited_by"), "connector_invitations", ["invited_by"])
    op.create_index(op.f("ix_connector_bans_user_id"), "connector_bans", ["user_id"])
    op.create_index(op.f("ix_connector_bans_banned_by"), "connector_bans", ["banned_by"])


def _create(table: str, *columns: sa.Column[Any]) -> None:
    """Create a table with one row per user and connector."""
    further = [
        sa.ForeignKeyConstraint(
            [column.name],
            ["users.id"],
            name=op.f(f"fk_{table}_{column.name}"),
            ondelete="SET NULL" if column.nullable else "CASCADE",
        )
        for column in columns
        if column.name.endswith("_by")
    ]
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("connector_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        *columns,
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connectors.id"], name=op.f(f"fk_{table}_connector_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"),
        *further,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("connector_id", "user_id", name=op.f(f"uq_{table}_connector_id_user_id")),
    )
    op.create_index(f"ix_{table}_connector_id_created_at_id", table, ["connector_id", "created_at", "id"])


def _person(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)
