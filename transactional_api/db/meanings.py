"""What texts mean, as vectors. PostgreSQL keeps them where it has pgvector; where not, there is no such table.

So the table is no part of the migrations, which are the same for every PostgreSQL: ``ensure`` makes it after them.
"""

from __future__ import annotations

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Connection, DateTime, MetaData, String, Table, Uuid, text

from neighborconnect.contracts.content import DIMENSIONS

MEANINGS = Table(
    "meanings",
    MetaData(),
    Column("kind", String(20), primary_key=True),
    Column("subject_id", Uuid, primary_key=True),
    Column("embedding", VECTOR(DIMENSIONS), nullable=False),
    # Vectors of another encoder are in another space.
    Column("encoder", String(100), nullable=False),
    # The version of the row whose text it was.
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
KINDS = ("connector", "post", "event", "item")
"""What is searched by meaning: names of people have none."""

_HAS_PGVECTOR = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')")
# One index a kind, for each kind is searched by itself.
_INDEX = """
    CREATE INDEX IF NOT EXISTS ix_meanings_{kind} ON meanings USING hnsw (embedding vector_ip_ops)
    WHERE kind = '{kind}'
"""


def ensure(connection: Connection) -> bool:
    """Make the table with an index a kind where pgvector is installed; return whether it is."""
    if not connection.scalar(_HAS_PGVECTOR):
        return False
    MEANINGS.create(connection, checkfirst=True)
    for kind in KINDS:
        connection.execute(text(_INDEX.format(kind=kind)))
    return True
