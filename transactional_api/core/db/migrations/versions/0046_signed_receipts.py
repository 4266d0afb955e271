"""Store the signed receipt of an erasure, and the model versions that were trained on the user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    models = sa.Column("influenced_models", JSONB, nullable=False, server_default=sa.text("'[]'"))
    op.add_column("erasures", models)
    op.add_column("erasures", sa.Column("signed_receipt", JSONB))
