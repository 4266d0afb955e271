"""Create the search documents of rows older than the triggers, and drop the indexes over whole contents.

Batches commit one by one, so that no writer waits for more than one of them. A row that changes meanwhile has its
document from the trigger already.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# Kind, the title, the body, the connector, the language.
SOURCES = {
    "users": ("user", ("username", "first_name", "last_name"), (), "NULL::uuid", "simple"),
    "connectors": ("connector", ("name",), ("category", "description"), "id", "english"),
    "posts": ("post", ("title",), ("content",), "connector_id", "english"),
    "events": ("event", ("title",), ("description", "location"), "connector_id", "english"),
    "marketplace_items": ("item", ("title",), ("description",), "connector_id", "english"),
}
BATCH = 5_000
FILL = """
WITH batch AS MATERIALIZED (
    SELECT * FROM {table} WHERE (created_at, id) > (:created_at, :id) ORDER BY created_at, id LIMIT :most
), filled AS (
    INSERT INTO search_documents (kind, subject_id, connector_id, language, bucket, words)
    SELECT '{kind}', id, {connector}, '{language}', nextval('search_documents_number') / 1024,
        search_lexemes('{language}', {title}, {body})
    FROM batch WHERE is_active ON CONFLICT DO NOTHING
)
SELECT created_at, id FROM batch ORDER BY created_at DESC, id DESC LIMIT 1
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, (kind, title, body, connector, language) in SOURCES.items():
            fill = FILL.format(
                table=table, kind=kind, connector=connector, language=language, title=_text(title), body=_text(body)
            )
            _fill(sa.text(fill))
    for table in SOURCES:
        op.execute(f"DROP INDEX IF EXISTS ix_{table}_search_words, ix_{table}_search_spelling")


def _fill(statement: sa.TextClause) -> None:
    last: Any = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
    while last is not None:
        last = op.get_bind().execute(statement, {"created_at": last[0], "id": last[1], "most": BATCH}).first()


def _text(columns: tuple[str, ...]) -> str:
    return f"concat_ws(' ', {', '.join(columns)})" if columns else "''"
