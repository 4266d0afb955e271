"""Embeddings of texts, stored where PostgreSQL has pgvector.

The table is not part of the migrations, which are the same for every PostgreSQL: ``ensure`` creates it after them.
"""

from __future__ import annotations

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Connection, DateTime, MetaData, String, Table, Uuid, text

from neighborconnect.contracts.content import DIMENSIONS

EMBEDDINGS = Table(
    "embeddings",
    MetaData(),
    Column("kind", String(20), primary_key=True),
    Column("subject_id", Uuid, primary_key=True),
    Column("embedding", VECTOR(DIMENSIONS), nullable=False),
    # Vectors of different encoders are not comparable.
    Column("encoder", String(100), nullable=False),
    # ``updated_at`` of the row when its text was encoded.
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
KINDS = ("connector", "post", "event", "item")
"""Kinds of documents with an embedding; users have none."""

_HAS_PGVECTOR = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')")
# One index per kind: a query searches one kind at a time.
_INDEX = """
    CREATE INDEX IF NOT EXISTS ix_embeddings_{kind} ON embeddings USING hnsw (embedding vector_ip_ops)
    WHERE kind = '{kind}'
"""


def ensure(connection: Connection) -> bool:
    """Create the table and its indexes if pgvector is installed; return whether it is."""
    if not connection.scalar(_HAS_PGVECTOR):
        return False
    EMBEDDINGS.create(connection, checkfirst=True)
    for kind in KINDS:
        connection.execute(text(_INDEX.format(kind=kind)))
    return True
