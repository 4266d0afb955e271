"""Migration of the product database to the newest schema: ``python -m transactional_api.core.db.migrate``.

Migrations are forward-only. Each one waits at most ``LOCK_TIMEOUT`` for the lock of a table, so that readers do not
queue behind it, and is retried. Concurrent migrators run one after another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from neighborconnect.settings import get_settings, sqlalchemy_url
from neighborconnect.telemetry import configure_logging, get_logger
from transactional_api.core.db import embeddings

LOCK_TIMEOUT = "5s"
ATTEMPTS = 5
_MIGRATION_LOCK = 7_235_001
_LOCK_POLL_SECONDS = 0.5
# Tables outside of the metadata: change capture, the job queue and semantic search.
_UNMANAGED_TABLES = ("cdc_", "procrastinate_", "embeddings")

log = get_logger(__name__)


def is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Return whether Alembic compares an object with the metadata.

    PostgreSQL rewrites the expressions of the search indexes; ``test_plans.py`` checks that queries use them.
    """
    if kind == "index" and name is not None and "_search_" in name:
        return False
    return not (kind == "table" and name is not None and name.startswith(_UNMANAGED_TABLES))


@contextmanager
def migration_config(database_url: str) -> Iterator[Config]:
    """Yield the Alembic configuration over an open connection that holds the migration lock."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(sqlalchemy_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        _hold_lock(connection)
        config.attributes["connection"] = connection
        yield config


def _hold_lock(connection: Connection) -> None:
    # A waiting statement would hold a snapshot, for which CREATE INDEX CONCURRENTLY of the other migrator waits.
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _MIGRATION_LOCK}).scalar_one():
        connection.rollback()
        time.sleep(_LOCK_POLL_SECONDS)
    connection.execute(text("SELECT set_config('lock_timeout', :value, false)"), {"value": LOCK_TIMEOUT})
    connection.commit()


def migrate(database_url: str) -> None:
    """Run every migration that has not run yet.

    Raises:
        OperationalError: when no attempt acquired the lock, or the server is unavailable.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with migration_config(database_url) as config:
                command.upgrade(config, "head")
                connection: Connection = config.attributes["connection"]
                embeddings.ensure(connection)
                connection.commit()
        except OperationalError as error:
            if attempt == ATTEMPTS or not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            log.warning("migration.lock_timeout", attempt=attempt)
            time.sleep(attempt)
        else:
            return


def main() -> None:
    """Migrate the database of the settings."""
    settings = get_settings()
    configure_logging(
        "migrate", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format
    )
    migrate(settings.database_url)
    log.info("migration.done")


if __name__ == "__main__":
    main()
