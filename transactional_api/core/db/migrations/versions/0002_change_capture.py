"""Capture every committed change of the contract's tables in the outbox."""

from __future__ import annotations

from alembic import op

from transactional_api.core.db.migrations.capture_0002 import (
    CONNECTORS_0002,
    OUTBOX_STATEMENTS,
    USERS_0002,
    capture_statements,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = {
    "users": USERS_0002,
    "connectors": CONNECTORS_0002,
    "connector_members": ("id", "connector_id", "user_id", "role", "joined_at"),
    "posts": (
        "id",
        "connector_id",
        "author_id",
        "content",
        "title",
        "image_url",
        "likes_count",
        "comments_count",
        "created_at",
        "updated_at",
        "is_active",
    ),
    "comments": (
        "id",
        "post_id",
        "author_id",
        "content",
        "parent_id",
        "likes_count",
        "created_at",
        "updated_at",
        "is_active",
    ),
    "post_likes": ("id", "post_id", "user_id", "created_at"),
    "follows": ("id", "follower_id", "followee_id", "created_at"),
}


def upgrade() -> None:
    for statement in OUTBOX_STATEMENTS:
        op.execute(statement)
    for table, columns in _COLUMNS.items():
        for statement in capture_statements(table, columns):
            op.execute(statement)
