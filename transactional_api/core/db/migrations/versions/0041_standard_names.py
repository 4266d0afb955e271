"""Give tables and columns the names that the code uses.

One transaction of catalog changes: readers of the old names get either the old schema or the new one, never a mix.
Code of the release before does not know the new names, so stop it before this migration and start the new one after.

No captured column is renamed, so that messages in the outbox and in Kafka stay readable, and a trigger of change
capture that runs before or after publishes the same images.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

TABLES = (
    ("notification_hours", "delivery_schedules"),
    ("media_marks", "media_engagements"),
    # It exists only where pgvector is installed.
    ("meanings", "embeddings"),
)
COLUMNS = (
    ("users", "email", "email_hash"),
    ("users", "email_sealed", "email_encrypted"),
    ("users", "phone_sealed", "phone_encrypted"),
    ("users", "home_sealed", "home_encrypted"),
    ("second_factors", "secret_sealed", "secret_encrypted"),
    ("delivery_schedules", "timezone", "time_zone"),
    ("delivery_schedules", "digested_at", "last_digest_at"),
    ("notification_preferences", "wanted", "is_enabled"),
    ("moderation_cases", "words", "content_snapshot"),
    ("moderation_cases", "reports", "report_count"),
    ("moderation_cases", "held", "is_held"),
    ("moderation_reports", "words", "details"),
    ("moderation_appeals", "words", "statement"),
    ("uploads", "words", "moderated_text"),
    ("media_captions", "words", "caption"),
    ("audit_log", "at", "created_at"),
    ("audit_log", "place", "position"),
    ("cdc_relay_state", "asleep", "idle"),
)
CONSTRAINTS = (
    ("users", "uq_users_email", "uq_users_email_hash"),
    ("audit_log", "uq_audit_log_place", "uq_audit_log_position"),
)
INDEXES = (("ix_audit_log_unsealed", "ix_audit_log_unchained"),)
WAKE_RELAY = """
    CREATE OR REPLACE FUNCTION cdc_wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM public.cdc_relay_state WHERE NOT idle) THEN
            PERFORM pg_notify('cdc_outbox', '');
        END IF;
        RETURN NULL;
    END
    $$
"""


def upgrade() -> None:
    bind = op.get_bind()
    for old, new in TABLES:
        if bind.execute(sa.text("SELECT to_regclass(:name)"), {"name": f"public.{old}"}).scalar_one() is None:
            continue
        op.rename_table(old, new)
        _rename_parts(old, new)
    for table, old, new in COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for table, old, new in CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    for old, new in INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    op.execute(WAKE_RELAY)


def _rename_parts(old: str, new: str) -> None:
    """Rename the constraints and indexes of a table after it; the index of a constraint follows the constraint."""
    bind, table = op.get_bind(), {"table": f"public.{new}", "old": old}
    constraints = sa.text(
        "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND strpos(conname, :old) > 0"
    )
    for (name,) in bind.execute(constraints, table).all():
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {name} TO {name.replace(old, new)}")
    indexes = sa.text(
        "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE indrelid = CAST(:table AS regclass) AND strpos(relname, :old) > 0"
    )
    for (name,) in bind.execute(indexes, table).all():
        op.execute(f"ALTER INDEX {name} RENAME TO {name.replace(old, new)}")
