"""Log of rebuilds in the warehouse: it allows one at a time and shows unfinished ones after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from neighborconnect.settings import Settings

_REBUILD_LOCK: Final = 7_235_004
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS ingest.rebuilds (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "sink text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)"
)

Connection = psycopg.Connection[TupleRow]


class RebuildRunningError(RuntimeError):
    """Another rebuild is in progress."""


@contextmanager
def exclusive_rebuild(settings: Settings) -> Iterator[Connection]:
    """Hold the rebuild lock on a connection of its own; the end of the process releases it in any case.

    Raises:
        RebuildRunningError: if another process holds the lock.
    """
    with psycopg.connect(settings.warehouse_url, autocommit=True, application_name="rebuild") as connection:
        if not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", [_REBUILD_LOCK]):
            raise RebuildRunningError("Another rebuild is running. Wait until it has finished, or stop it.")
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE SCHEMA IF NOT EXISTS ingest")
        connection.execute(_TABLE)
        try:
            yield connection
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", [_REBUILD_LOCK])


def begin(connection: Connection, *, sink: str) -> None:
    """Log the start of a rebuild of ``sink``."""
    connection.execute("INSERT INTO ingest.rebuilds (sink) VALUES (%s)", [sink])


def finish(connection: Connection, *, sink: str) -> None:
    """Log that ``sink`` is complete, which also finishes its interrupted rebuilds."""
    connection.execute("UPDATE ingest.rebuilds SET finished_at = now() WHERE sink = %s AND finished_at IS NULL", [sink])


def unfinished_rebuilds(settings: Settings) -> set[str]:
    """Return the sinks with an unfinished rebuild."""
    with psycopg.connect(settings.warehouse_url) as connection:
        if _scalar(connection, "SELECT to_regclass('ingest.rebuilds')") is None:
            return set()
        rows = connection.execute("SELECT DISTINCT sink FROM ingest.rebuilds WHERE finished_at IS NULL")
        return {sink for (sink,) in rows}


def _scalar(connection: Connection, statement: str, values: list[object] | None = None) -> object:
    row = connection.execute(statement.encode(), values).fetchone()
    return row[0] if row else None
