"""Create search indexes over stemmed words and trigrams."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SEARCHED = {
    "users": ("username", "first_name", "last_name"),
    "connectors": ("name", "category", "description"),
    "posts": ("title", "content"),
    "events": ("title", "description", "location"),
    "marketplace_items": ("title", "description"),
}


def upgrade() -> None:
    for table, columns in SEARCHED.items():
        words = " || ' ' || ".join(f"coalesce({column}, '')" for column in columns)
        op.execute(
            f"CREATE INDEX ix_{table}_search_words ON {table} USING gin (to_tsvector('english'::regconfig, {words}))"
        )
        op.execute(f"CREATE INDEX ix_{table}_search_spelling ON {table} USING gin (({words}) gin_trgm_ops)")
