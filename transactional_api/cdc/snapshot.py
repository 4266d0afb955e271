"""Snapshot of captured tables: publishes their current rows (``op`` ``r``), to rebuild Kafka from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from neighborconnect.contracts.tables import CapturedTable
from transactional_api.cdc.back_pressure import wait_for_room
from transactional_api.cdc.ddl import image

CHUNK_ROWS = 5_000


def snapshot(
    database_url: str, table: CapturedTable, *, on_progress: Callable[[int], None] = lambda _rows: None
) -> int:
    """Write an ``r`` event for every row of ``table`` to the outbox, one transaction per chunk, while writers go on.

    Args:
        database_url: product database.
        table: captured table to publish.
        on_progress: called with the number of rows written so far, after each chunk.

    Returns:
        The number of rows written.

    Raises:
        OutboxFullError: if the outbox is full and the relay publishes nothing.
    """
    total, after = 0, None
    with psycopg.connect(database_url, autocommit=True, application_name="snapshot") as connection:
        while True:
            row = connection.execute(_chunk(table, first=after is None), {"after": after}).fetchone()
            if row is None or row[0] == 0:
                return total
            total, after = total + int(row[0]), row[1]
            on_progress(total)
            wait_for_room(connection)


def find_missing(database_url: str, tables: Sequence[CapturedTable]) -> dict[str, str]:
    """Return what the database lacks for a snapshot, by table: the message of PostgreSQL; empty on a migrated schema.

    PostgreSQL plans the statements of the snapshot and runs none of them.
    """
    missing: dict[str, str] = {}
    with psycopg.connect(database_url, autocommit=True, application_name="snapshot") as connection:
        for table in tables:
            try:
                connection.execute(f"EXPLAIN {_chunk(table, first=True)}")
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                missing[table.name] = error.diag.message_primary or str(error)
    return missing


def _chunk(table: CapturedTable, *, first: bool) -> str:
    # FOR SHARE waits for a concurrent writer, reads its result, and blocks the next writer until the event has its id.
    # Without it an outdated image could get a higher event id than the change that replaced it.
    return f"""
        WITH written AS (
            INSERT INTO cdc_outbox (topic, key, op, after)
            SELECT '{table.topic}', n.id::text, 'r', {image(table, "n")}
            FROM (SELECT * FROM {table.name} {"" if first else "WHERE id > %(after)s"} ORDER BY id
                LIMIT {CHUNK_ROWS} FOR SHARE) AS n
            RETURNING key::uuid AS id
        )
        SELECT count(*), (SELECT id FROM written ORDER BY id DESC LIMIT 1) FROM written
    """  # noqa: S608 (names come from the contract, not from people)
