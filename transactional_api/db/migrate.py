"""Brings the product database to the newest schema: ``python -m transactional_api.db.migrate``.

Migrations only go forward. Each one waits at most ``LOCK_TIMEOUT`` for a table's lock and gives way rather
than queue every reader behind it; two migrators at once run one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from neighborconnect.settings import get_settings, sqlalchemy_url
from neighborconnect.telemetry import configure_logging, get_logger
from transactional_api.db import meanings

LOCK_TIMEOUT = "5s"
ATTEMPTS = 5
_MIGRATION_LOCK = 7_235_001
# Tables that change capture, the job queue and search by meaning make and keep by themselves.
_OTHERS_TABLES = ("cdc_", "procrastinate_", "meanings")

log = get_logger(__name__)


def is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Tell Alembic which objects the metadata is meant to describe, and which it can compare.

    PostgreSQL writes the expressions of search's indexes in words of its own; ``test_plans.py`` sees that they serve.
    """
    if kind == "index" and name is not None and "_search_" in name:
        return False
    return not (kind == "table" and name is not None and name.startswith(_OTHERS_TABLES))


@contextmanager
def migration_config(database_url: str) -> Iterator[Config]:
    """Give Alembic's configuration over an open connection that holds the migration lock."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(sqlalchemy_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        _hold_lock(connection)
        config.attributes["connection"] = connection
        yield config


def _hold_lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.execute(text("SELECT set_config('lock_timeout', :value, false)"), {"value": LOCK_TIMEOUT})
    connection.commit()


def migrate(database_url: str) -> None:
    """Run every migration that has not run yet.

    Raises:
        OperationalError: when a lock could not be had in any of the attempts, or the server is away.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with migration_config(database_url) as config:
                command.upgrade(config, "head")
                connection: Connection = config.attributes["connection"]
                meanings.ensure(connection)
                connection.commit()
        except OperationalError as error:
            if attempt == ATTEMPTS or "lock timeout" not in str(error):
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
