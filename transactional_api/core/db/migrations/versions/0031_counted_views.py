"""Delete item views by users without a verified address, which are not counted."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM marketplace_item_views v USING users u WHERE u.id = v.user_id AND NOT u.verified")
