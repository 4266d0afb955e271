"""Read-only connections to PostgreSQL that give up soon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

_CONNECT_SECONDS = 3
_STATEMENT_MS = 5_000

Row = tuple[Any, ...]


@contextmanager
def reading(url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """Open a connection whose transactions only read and whose statements end after five seconds."""
    options = f"-c default_transaction_read_only=on -c statement_timeout={_STATEMENT_MS}"
    with psycopg.connect(
        url, connect_timeout=_CONNECT_SECONDS, options=options, application_name="monitoring"
    ) as connection:
        yield connection


def rows(connection: psycopg.Connection[TupleRow], statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Return the rows of a statement."""
    return connection.execute(statement.encode(), parameters).fetchall()


def has_table(connection: psycopg.Connection[TupleRow], name: str) -> bool:
    """Return whether a table exists: those of Dagster, MLflow and the features are created by their first use."""
    return rows(connection, "SELECT to_regclass(%s) IS NOT NULL", [name])[0][0] is True
