"""Indexes that are built while the table is written to, as migrations since 0035 build them.

Frozen: never edit this module; a migration that needs something else brings a module of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

WAIT = "10min"
INVALID = sa.text(
    "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE relname = :name AND relnamespace = 'public'::regnamespace AND NOT indisvalid"
)


def create_index(name: str, definition: str) -> None:
    """Create an index such as ``posts (author_id)`` unless it exists; call it in an ``autocommit_block``.

    An interrupted build leaves an invalid index, which is dropped first. Building waits for the transactions that are
    open, and nothing waits for it, so it may take longer than a lock that others queue behind.
    """
    bind = op.get_bind()
    timeout = bind.execute(sa.text("SHOW lock_timeout")).scalar_one()
    set_timeout = sa.text("SELECT set_config('lock_timeout', :timeout, false)")
    bind.execute(set_timeout, {"timeout": WAIT})
    try:
        if bind.execute(INVALID, {"name": name}).first():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")
    finally:
        bind.execute(set_timeout, {"timeout": timeout})
