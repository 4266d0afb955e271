"""Publishes the present rows of captured tables again (``op`` ``r``), so that Kafka can be rebuilt from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from neighborconnect.contracts.tables import CapturedTable
from transactional_api.cdc.ddl import image

CHUNK_ROWS = 5_000


def snapshot(database_url: str, table: CapturedTable, *, done: Callable[[int], None] = lambda _rows: None) -> int:
    """Write an ``r`` event for every row of ``table`` to the outbox, a chunk a transaction, while writers go on.

    Args:
        database_url: the product's database.
        table: what to publish.
        done: told the number of rows after each chunk.

    Returns:
        How many rows were written.
    """
    total, after = 0, None
    with psycopg.connect(database_url, autocommit=True, application_name="snapshot") as connection:
        while True:
            row = connection.execute(_chunk(table, first=after is None), {"after": after}).fetchone()
            if row is None or row[0] == 0:
                return total
            total, after = total + int(row[0]), row[1]
            done(total)


def _chunk(table: CapturedTable, *, first: bool) -> str:
    # FOR SHARE waits for a writer and reads what it wrote, and holds the next one off until the event has its id.
    # Without it an image could get a higher event id than the change that made it old.
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
