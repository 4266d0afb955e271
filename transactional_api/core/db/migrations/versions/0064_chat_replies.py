"""Replies and reactions to messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0064"
down_revision = "0060"
branch_labels = None
depends_on = None

TABLE = "chat_reactions"
KINDS = ("message.created", "message.edited", "message.deleted", "message.reacted", "member.joined", "member.left")


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    with op.get_context().autocommit_block():
        op.create_table(
            TABLE,
            sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
            sa.Column("message_id", sa.Uuid(), nullable=False),
            sa.Column("user_id", sa.Uuid(), nullable=False),
            sa.Column("kind", sa.String(20), nullable=False),
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
            sa.ForeignKeyConstraint(
                ["message_id"], ["chat_messages.id"], name=op.f(f"fk_{TABLE}_message_id"), ondelete="CASCADE"
            ),
            sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{TABLE}_user_id"), ondelete="CASCADE"),
            sa.UniqueConstraint("message_id", "user_id", name=op.f(f"uq_{TABLE}_message_id_user_id")),
            if_not_exists=True,
        )
        op.create_index(op.f(f"ix_{TABLE}_user_id"), TABLE, ["user_id"], if_not_exists=True)
        op.add_column("chat_messages", sa.Column("reply_to_id", sa.Uuid(), nullable=True), if_not_exists=True)
        create_index("ix_chat_messages_reply_to_id", "chat_messages (reply_to_id)")
        _replace_constraint(
            "chat_messages",
            "fk_chat_messages_reply_to_id",
            "FOREIGN KEY (reply_to_id) REFERENCES chat_messages (id) ON DELETE SET NULL",
        )
        kinds = ", ".join(f"'{kind}'" for kind in KINDS)
        _replace_constraint("chat_events", "ck_chat_events_kind", f"CHECK (kind IN ({kinds}))")


def _replace_constraint(table: str, name: str, definition: str) -> None:
    """Replace a constraint and check existing rows without blocking writers."""
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} {definition} NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
