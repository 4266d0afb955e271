"""Add the revision of events as calendars show them, and an index on their end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from transactional_api.core.db.migrations.concurrent_0035 import create_index

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# A trigger also covers the old code: a calendar accepts an event only with a higher number than before.
COUNT_REVISIONS = """
CREATE OR REPLACE FUNCTION count_event_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    IF NEW.updated_at <= OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER count_event_revision BEFORE UPDATE ON events FOR EACH ROW
WHEN (
    (OLD.title, OLD.description, OLD.location, OLD.latitude, OLD.longitude,
     OLD.start_date, OLD.end_date, OLD.is_active)
    IS DISTINCT FROM
    (NEW.title, NEW.description, NEW.location, NEW.latitude, NEW.longitude,
     NEW.start_date, NEW.end_date, NEW.is_active)
)
EXECUTE FUNCTION count_event_revision()
"""


def upgrade() -> None:
    """Commit step by step, so that writers wait for none of them; each step can run again after an interruption."""
    revision_column = sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False)
    with op.get_context().autocommit_block():
        op.add_column("events", revision_column, if_not_exists=True)
        op.execute(COUNT_REVISIONS)
        op.execute(TRIGGER)
        create_index("ix_events_end_date", "events (end_date)")
