"""Empties the product's tables between two files of tests."""

from __future__ import annotations

import psycopg

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
        # TRUNCATE makes new files for every table and index, which takes seconds.
        for (name,) in connection.execute(checks).fetchall():
            connection.execute(f"DELETE FROM {name}")
