"""The API's role appends to the audit trail and seals it; it may not change or remove an entry."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # An owner's privileges on its own table can be revoked like anybody's.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER")
    op.execute("GRANT UPDATE (place, digest) ON audit_log TO CURRENT_USER")
