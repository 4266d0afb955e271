"""The ``raw`` and ``ingest`` schemas of the warehouse, created from the contracts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from neighborconnect.contracts.tables import Column
from neighborconnect.contracts.topics import STREAMS, Stream

_TABLES_LOCK: Final = 7_235_003


def create_tables(connection: psycopg.Connection[TupleRow]) -> None:
    """Create missing ``raw`` tables and ``ingest.kafka_offsets``, and add new columns."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_TABLES_LOCK])
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
        connection.execute("CREATE SCHEMA IF NOT EXISTS ingest")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ingest.kafka_offsets (sink text, topic text, partition integer, "
            "next_offset bigint NOT NULL, PRIMARY KEY (sink, topic, partition))"
        )
        for stream in STREAMS:
            connection.execute(_create(stream))
            _add_new_columns(connection, stream)


def reset_tables(
    connection: psycopg.Connection[TupleRow], *, sink: str, emptied: Sequence[Stream], retained: Sequence[Stream]
) -> None:
    """Empty the tables of ``emptied`` and delete the offsets of all streams, so that Kafka is read from the beginning.

    It is one transaction, which deletes the offsets first, because writers lock them first.
    """
    topics = [stream.topic for stream in (*emptied, *retained)]
    with connection.transaction():
        connection.execute("DELETE FROM ingest.kafka_offsets WHERE sink = %s AND topic = ANY(%s)", [sink, topics])
        if emptied:
            tables = sql.SQL(", ").join(sql.Identifier("raw", stream.table) for stream in emptied)
            connection.execute(sql.SQL("TRUNCATE {}").format(tables))


def _create(stream: Stream) -> sql.Composed:
    # dbt's views depend on these tables: they are emptied, never dropped.
    metadata = (
        "_event_id bigint NOT NULL, _op text NOT NULL, _committed_at timestamptz NOT NULL, "
        "_deleted boolean NOT NULL, PRIMARY KEY (id)"
        if stream.is_change_stream
        else "_event_id bigint PRIMARY KEY, _op text NOT NULL, _committed_at timestamptz NOT NULL"
    )
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, {})").format(
        sql.Identifier("raw", stream.table), sql.SQL(", ").join(map(_definition, stream.columns)), sql.SQL(metadata)
    )


def _add_new_columns(connection: psycopg.Connection[TupleRow], stream: Stream) -> None:
    present = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'raw' AND table_name = %s",
        [stream.table],
    )
    existing = {row[0] for row in present}
    # Only for missing columns, because the lock waits for every query on the table.
    for column in stream.columns:
        if column.name not in existing:
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(sql.Identifier("raw", stream.table), _definition(column))
            )


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type.value))
