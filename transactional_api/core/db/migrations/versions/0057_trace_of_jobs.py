"""Store with each job the trace of the transaction that queued it, as change capture does with each row image."""

from __future__ import annotations

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the default is evaluated once for the rows that exist, which have no trace."""
    op.execute(
        "ALTER TABLE procrastinate_jobs ADD COLUMN IF NOT EXISTS traceparent text "
        "DEFAULT nullif(current_setting('neighborconnect.traceparent', true), '')"
    )
