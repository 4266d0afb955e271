"""Restrict the role of the API to appending and sealing audit entries, without changing or removing them."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The privileges of an owner on its own table can be revoked too.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER")
    op.execute("GRANT UPDATE (place, digest) ON audit_log TO CURRENT_USER")
