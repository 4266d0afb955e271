"""Guards for assets that replace what they wrote before: empty input must not erase a good result."""

from __future__ import annotations

from typing import Final

import psycopg
from deltalake import DeltaTable
from psycopg import sql

from neighborconnect.settings import Settings

# Marts that dbt rebuilds whole, and the mirrors without whose rows they would be rebuilt empty.
_REBUILT_FROM: Final = {
    "dim_users": "users",
    "dim_connectors": "connectors",
    "fct_posts": "posts",
    "recommendable_items": "connectors",
}
_ALL: Final = sql.SQL("")


class EmptyInputError(RuntimeError):
    """The input is empty and the result of an earlier run is not; nothing was replaced."""


def require_rows(rows: int, *, replacing: int, target: str) -> None:
    """Refuse to replace ``replacing`` rows of ``target`` with none.

    Raises:
        EmptyInputError: when ``rows`` is zero and ``replacing`` is not.
    """
    if rows == 0 and replacing > 0:
        raise EmptyInputError(
            f"{target}: the input has no rows, and {replacing} are in place. Nothing was replaced. "
            "Restore or rebuild the input; to start over on purpose, empty the target first."
        )


def table_rows(settings: Settings, path: str) -> int:
    """Count the rows of the newest version of a Delta table; 0 where there is none."""
    options = settings.lake_storage_options
    if not DeltaTable.is_deltatable(path, options):
        return 0
    return int(DeltaTable(path, storage_options=options).count())


def require_mirror(settings: Settings) -> None:
    """Refuse to rebuild the marts from a mirror that has lost its rows.

    Raises:
        EmptyInputError: when a mirror has no live row and a mart that is rebuilt from it has some.
    """
    for mart, mirror in _REBUILT_FROM.items():
        if not mirror_rows(settings, mirror):
            replacing = _count(settings, "marts", mart)
            require_rows(0, replacing=replacing, target=f"marts.{mart} from raw.{mirror}")


def mirror_rows(settings: Settings, table: str) -> int:
    """Return 1 where the mirror of ``table`` has live rows, else 0."""
    return min(_count(settings, "raw", table, where=sql.SQL("WHERE NOT _deleted LIMIT 1")), 1)


def _count(settings: Settings, schema: str, table: str, *, where: sql.SQL = _ALL) -> int:
    with psycopg.connect(settings.warehouse_url) as connection:
        known = connection.execute("SELECT to_regclass(%s)", [f"{schema}.{table}"]).fetchone()
        if known is None or known[0] is None:
            return 0
        statement = sql.SQL("SELECT count(*) FROM (SELECT FROM {} {}) AS counted")
        row = connection.execute(statement.format(sql.Identifier(schema, table), where)).fetchone()
        return int(row[0]) if row else 0
