"""Reference the text that notifications quote, instead of storing it."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_RENDERED = (
    *("comment.created", "mentioned", "post.created", "event.created", "event.changed", "event.soon", "place.freed"),
    *("join.accepted", "connector.invited", "item.reserved", "item.bought", "purchase.completed", "review.hidden"),
)

BATCH = 1_000
EMPTY = sa.text("""
WITH batch AS MATERIALIZED (
    SELECT id FROM notifications WHERE id > :after AND kind = ANY(CAST(:kinds AS text[])) AND body <> ''
    ORDER BY id LIMIT :most FOR NO KEY UPDATE
), emptied AS (
    UPDATE notifications SET body = '' FROM batch WHERE notifications.id = batch.id
)
SELECT id FROM batch ORDER BY id DESC LIMIT 1
""")


def upgrade() -> None:
    """Commit step by step and batch by batch, so that writers wait for none; it can run again at any point."""
    with op.get_context().autocommit_block():
        op.add_column("notifications", sa.Column("source_kind", sa.String(50), nullable=True), if_not_exists=True)
        op.add_column("notifications", sa.Column("source_id", sa.Uuid(), nullable=True), if_not_exists=True)
        create_index("ix_notifications_group", "notifications (user_id, kind, subject_id, created_at, id)")
        after: UUID | None = UUID(int=0)
        while after is not None:
            after = op.get_bind().execute(EMPTY, {"after": after, "kinds": list(_RENDERED), "most": BATCH}).scalar()
