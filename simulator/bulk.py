"""Bulk load of rows into the product database, without the API but with the same change-capture triggers.

A town is loaded in one transaction. Interaction events are written to the outbox in the format of the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

import polars as pl
import psycopg
from psycopg import sql

_LOAD_LOCK = 7_203_115
_EMPTY_CHECK = "SELECT EXISTS (SELECT FROM users)"


class TownError(RuntimeError):
    """A town cannot be created; the message contains the reason and the remedy."""


def is_loopback(database_url: str) -> bool:
    """Return whether every host of the URL is this machine."""
    hosts = psycopg.conninfo.conninfo_to_dict(database_url).get("host") or ""
    return all(_is_local(host) for host in str(hosts).split(","))


def _is_local(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def count_users(connection: psycopg.Connection) -> int:
    """Return the number of users in the database."""
    row = connection.execute("SELECT count(*) FROM users").fetchone()
    return int(row[0]) if row else 0


def load(
    connection: psycopg.Connection,
    rows: Iterable[tuple[str, pl.DataFrame]],
    *,
    add: bool,
    on_rows: Callable[[str, int], None] = lambda _table, _count: None,
) -> dict[str, int]:
    """Copy all rows in one transaction, then update the planner statistics.

    Args:
        connection: connection to the product database, outside a transaction.
        rows: ``(table, frame)`` with parents before children; a frame's columns are the table's.
        add: allow a database with users.
        on_rows: called after each chunk with its table and its number of rows.

    Returns:
        Number of rows by table.

    Raises:
        TownError: the database has users and ``add`` is false, or another load is running.
    """
    loaded: dict[str, int] = {}
    with connection.transaction():
        if not connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOAD_LOCK,)).fetchone() == (True,):
            raise TownError("Another load is running; wait until it has ended.")
        if not add and connection.execute(_EMPTY_CHECK).fetchone() == (True,):
            raise TownError(
                "The database has users already, so nothing was loaded. "
                "Add more with --add, or start over with `make reset`."
            )
        for table, frame in rows:
            copy_rows(connection, table, frame)
            loaded[table] = loaded.get(table, 0) + len(frame)
            on_rows(table, len(frame))
    # Otherwise the first queries are planned for empty tables.
    connection.execute("ANALYZE")
    return loaded


def copy_rows(connection: psycopg.Connection, table: str, frame: pl.DataFrame) -> None:
    """Copy one frame into the columns of the same names; an unquoted empty CSV field is null."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    text = frame.write_csv(include_header=False, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    with connection.cursor().copy(statement) as copy:
        copy.write(text)
