"""Let people choose the language of emails and pushes, which change capture does not publish.

Titles of decisions become sentences instead of codes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_TITLES = {
    "label": "A moderator added a label to your content",
    "hide": "A moderator hid your content",
    "remove": "A moderator removed your content",
    "suspend": "A moderator suspended your account",
}


def upgrade() -> None:
    """Change the titles first: every request waits for the lock of the column, which is then held for a moment."""
    change = sa.text("UPDATE notifications SET title = :title WHERE kind = 'moderation.decided' AND title = :was")
    for outcome, title in _TITLES.items():
        op.execute(change.bindparams(title=title, was=f"A moderator's decision: {outcome}"))
    op.add_column("users", sa.Column("language", sa.String(35), nullable=True), if_not_exists=True)
