"""Runs a migration on the connection that ``transactional_api.core.db.migrate`` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

import transactional_api.core.db.tables  # noqa: F401 (fills the metadata)
from transactional_api.core.db.base import Base
from transactional_api.core.db.migrate import is_ours

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_object=is_ours,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
