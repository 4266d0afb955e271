"""Give stored values the names that the code uses: job names, purposes of consent, and lines of erasure receipts.

Queued jobs run under the new name, with renamed arguments. A periodic job that was deferred for the current time
under the old name is not deferred again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

JOBS = (
    ("mail.send", "emails.send"),
    ("users.send_letter", "users.send_verification_email"),
    ("users.forgot_password", "users.send_password_reset"),
    ("users.tell_of_change", "users.send_change"),
    ("users.seal", "users.reencrypt"),
    ("house.keep", "retention.remove_expired"),
    ("house.turn_clocks", "retention.purge_expired"),
    ("jobs.take_up", "jobs.retry_stalled"),
    ("privacy.forget", "privacy.erase"),
    ("privacy.sweep_late", "privacy.remove_late_uploads"),
)
# Arguments of queued jobs, and the state that a one-time token restores, name columns and parameters.
ARGUMENTS = (
    """
    UPDATE procrastinate_jobs SET args = args - 'sealed' || jsonb_build_object('encrypted_email', args->'sealed')
    WHERE task_name = 'users.forgot_password' AND args ? 'sealed'
    """,
    """
    UPDATE procrastinate_jobs SET args = args - 'moment' || jsonb_build_object('changed_at', args->'moment')
    WHERE task_name = 'users.tell_of_change' AND args ? 'moment'
    """,
    """
    UPDATE procrastinate_jobs SET args = jsonb_set(
        args, '{was}',
        (args->'was') - 'secret_sealed' || jsonb_build_object('secret_encrypted', args->'was'->'secret_sealed')
    ) WHERE task_name = 'users.tell_of_change' AND args->'was' ? 'secret_sealed'
    """,
    """
    UPDATE one_time_tokens SET change = jsonb_set(
        change, '{was}',
        (change->'was') - 'secret_sealed' || jsonb_build_object('secret_encrypted', change->'was'->'secret_sealed')
    ) WHERE change->'was' ? 'secret_sealed'
    """,
)
RECEIPTS = """
    UPDATE erasures SET receipt = (
        SELECT jsonb_agg(
            jsonb_build_object(
                'location', line->'place',
                'action', CASE line->>'fate' WHEN 'blanked' THEN '"redacted"' WHEN 'kept' THEN '"retained"'
                    ELSE line->'fate' END,
                'row_count', line->'number',
                'completed_at', line->'at'
            ) ORDER BY number
        ) FROM jsonb_array_elements(receipt) WITH ORDINALITY AS lines (line, number)
    ) WHERE receipt->0 ? 'place'
"""


def upgrade() -> None:
    bind = op.get_bind()
    op.execute("ALTER TABLE consents DROP CONSTRAINT ck_consents_purpose")
    op.execute("UPDATE consents SET purpose = 'personalization' WHERE purpose = 'personalisation'")
    op.execute(
        "ALTER TABLE consents ADD CONSTRAINT ck_consents_purpose "
        "CHECK (purpose IN ('personalization', 'analytics', 'marketing', 'research'))"
    )
    for statement in (RECEIPTS, *ARGUMENTS):
        op.execute(statement)
    for old, new in JOBS:
        for jobs in ("procrastinate_jobs", "procrastinate_periodic_defers"):
            bind.execute(
                sa.text(f"UPDATE {jobs} SET task_name = :new WHERE task_name = :old"),  # noqa: S608 (two fixed names)
                {"old": old, "new": new},
            )
