"""Reference uploads of posts, items, messages and connectors by id, and stop capturing links.

The columns with stored links stay as they are for the release before this one. A job fills in the ids, since uploads
may be in MongoDB. It runs as soon as a worker is up, and again a day later: for rows that the release before wrote
meanwhile, and since a worker of that release fails a job that it does not know.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from transactional_api.core.db.migrations.capture_0002 import CONNECTORS_0006, capture_statements
from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

TABLES = ("posts", "post_versions", "marketplace_items", "chat_messages")
POSTS = (
    *("id", "connector_id", "author_id", "content", "title", "likes_count", "comments_count"),
    *("created_at", "updated_at", "is_active", "media_ids"),
)
CONNECTORS = (*(name for name in CONNECTORS_0006 if name != "image_url"), "media_id")


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    with op.get_context().autocommit_block():
        for table in TABLES:
            ids = sa.Column("media_ids", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
            op.add_column(table, ids, if_not_exists=True)
            create_index(
                f"ix_{table}_media_ids",
                f"{table} USING gin (media_ids jsonb_path_ops) WHERE media_ids <> '[]'::jsonb",
            )
        op.add_column("connectors", sa.Column("media_id", sa.Uuid(), nullable=True), if_not_exists=True)
        create_index("ix_connectors_media_id", "connectors (media_id)")
        for table, columns in (("posts", POSTS), ("connectors", CONNECTORS)):
            for statement in capture_statements(table, columns):
                op.execute(statement)
    op.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, scheduled_at) VALUES "
        "('default', 'media.replace_links', -10, '{}', NULL), "
        "('default', 'media.replace_links', -10, '{}', now() + interval '1 day')"
    )
