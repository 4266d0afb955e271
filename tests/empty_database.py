"""Empties the product's tables and Valkey between two files of tests; a conftest imports the fixture."""

from __future__ import annotations

import psycopg
import pytest
from redis import Redis

from local_stack.stack import Stack
from neighborconnect.settings import Settings
from tests.conftest import needs_servers

_TABLES = """
    SELECT format('%I.%I', nspname, relname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND nspname !~ '^(pg_|information_schema)' AND relname NOT IN ('alembic_version', 'audit_log')
"""


def empty_tables(superuser_url: str) -> None:
    """Delete all rows but the schema's version and the chain of the audit log, whose head is published in Kafka.

    It needs the superuser: triggers of capture would publish the deletions.
    """
    with psycopg.connect(superuser_url) as connection:
        names = [name for (name,) in connection.execute(_TABLES)]
        checks = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        connection.execute("SET session_replication_role = replica")
        # Faster than TRUNCATE for few rows, which makes new files for every table and index.
        for (name,) in connection.execute(checks).fetchall():
            connection.execute(f"DELETE FROM {name}")


@pytest.fixture(scope="module", autouse=True)
def no_data_of_other_files(request: pytest.FixtureRequest) -> None:
    """Empty the tables and Valkey, so that a file has the same result whatever ran before it."""
    if not any(needs_servers(test) for test in request.session.items if test.path == request.path):
        return
    settings: Settings = request.getfixturevalue("settings")
    servers: Stack = request.getfixturevalue("servers")
    empty_tables(servers.database_url("neighborconnect", superuser=True))
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushdb()
