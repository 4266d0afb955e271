"""Capture events, the marketplace, reviews, reactions, blocks, mutes, moderation, notifications and conversations.

Hidden items get an id, because change capture identifies a row by it. Existing rows are published with
``python -m transactional_api.cdc snapshot --table NAME``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.capture_0002 import capture_statements
from transactional_api.core.db.migrations.concurrent_0035 import INVALID, WAIT

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

BATCH_ROWS = 10_000
FILL_IDS = sa.text(
    "UPDATE hidden_items SET id = gen_random_uuid() WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM hidden_items WHERE id IS NULL LIMIT :rows))"
)
TABLES = {
    "events": (
        *("id", "connector_id", "created_by", "title", "description", "location", "start_date", "end_date"),
        *("max_attendees", "attendee_count", "created_at", "updated_at", "is_active", "latitude", "longitude"),
        *("time_zone", "hides_attendees", "revision"),
    ),
    "event_attendees": ("id", "event_id", "user_id", "status", "joined_at", "guests"),
    "marketplace_items": (
        *("id", "connector_id", "seller_id", "title", "description", "price", "category", "condition", "status"),
        *("views_count", "created_at", "updated_at", "is_active", "currency", "latitude", "longitude", "media_ids"),
    ),
    "marketplace_item_views": ("id", "item_id", "user_id", "created_at"),
    "marketplace_purchases": (
        *("id", "item_id", "buyer_id", "seller_id", "price", "currency", "status", "created_at", "updated_at"),
    ),
    "seller_reviews": ("id", "purchase_id", "seller_id", "buyer_id", "rating", "is_active", "created_at"),
    "reviews": (
        *("id", "connector_id", "reviewer_id", "title", "content", "rating", "helpful_count", "created_at"),
        *("updated_at", "is_active", "state"),
    ),
    "review_votes": ("id", "review_id", "user_id", "created_at"),
    "post_reactions": ("id", "post_id", "user_id", "kind", "created_at"),
    "comment_likes": ("id", "comment_id", "user_id", "created_at"),
    "hidden_items": ("id", "user_id", "item_kind", "item_id", "created_at"),
    "blocks": ("id", "blocker_id", "blocked_id", "created_at"),
    "mutes": ("id", "muter_id", "muted_id", "created_at"),
    "moderation_cases": ("id", "subject_kind", "subject_id", "state", "report_count", "is_held", "created_at"),
    "moderation_reports": ("id", "case_id", "reporter_id", "reason", "created_at"),
    "moderation_appeals": ("id", "decision_id", "state", "created_at", "decided_at"),
    "notifications": ("id", "user_id", "kind", "subject_kind", "created_at", "read_at"),
    "conversations": ("id", "kind", "last_event_id", "last_message_at", "created_at"),
}


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE hidden_items ADD COLUMN IF NOT EXISTS id uuid")
        op.execute("ALTER TABLE hidden_items ALTER COLUMN id SET DEFAULT gen_random_uuid()")
        while op.get_bind().execute(FILL_IDS, {"rows": BATCH_ROWS}).rowcount:
            pass
        op.execute("ALTER TABLE hidden_items ALTER COLUMN id SET NOT NULL")
        _make_id_unique()
        for table, columns in TABLES.items():
            for statement in capture_statements(table, columns):
                op.execute(statement)


def _make_id_unique() -> None:
    bind, name = op.get_bind(), "uq_hidden_items_id"
    timeout = bind.execute(sa.text("SHOW lock_timeout")).scalar_one()
    set_timeout = sa.text("SELECT set_config('lock_timeout', :timeout, false)")
    # Building waits for the transactions that are open, and nothing waits for it.
    bind.execute(set_timeout, {"timeout": WAIT})
    try:
        if bind.execute(INVALID, {"name": name}).first():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {name} ON hidden_items (id)")
    finally:
        bind.execute(set_timeout, {"timeout": timeout})
