"""Guard of assets that replace their previous output: an empty input must not erase it."""

from __future__ import annotations

from typing import Final

import psycopg
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from psycopg import sql

from neighborconnect.settings import Settings

# Marts that dbt rebuilds in full, by the mirror whose rows they are built from.
_MIRROR_OF_MART: Final = {
    "dim_users": "users",
    "dim_connectors": "connectors",
    "fct_posts": "posts",
    "recommendable_items": "connectors",
}
_NO_CONDITION: Final = sql.SQL("")


class EmptyInputError(RuntimeError):
    """The input is empty although the output of an earlier run is not; nothing was replaced."""


def require_rows(rows: int, *, replacing: int, target: str) -> None:
    """Refuse to replace the ``replacing`` rows of ``target`` by an empty result.

    Raises:
        EmptyInputError: if ``rows`` is zero and ``replacing`` is not.
    """
    if rows == 0 and replacing > 0:
        raise EmptyInputError(
            f"{target}: the input has no rows, and the target has {replacing}. Nothing was replaced. "
            "Restore or rebuild the input. To start over on purpose, empty the target first."
        )


def count_delta_rows(settings: Settings, path: str) -> int:
    """Count the rows of the newest version of a Delta table; 0 if the table does not exist."""
    try:
        return int(DeltaTable(path, storage_options=settings.lake_storage_options).count())
    except TableNotFoundError:
        return 0


def require_mirrors(settings: Settings) -> None:
    """Refuse to rebuild the marts from a mirror without rows.

    Raises:
        EmptyInputError: if a mirror has no live row and a mart built from it has rows.
    """
    for mart, mirror in _MIRROR_OF_MART.items():
        if not has_live_rows(settings, mirror):
            replacing = _count(settings, "marts", mart)
            require_rows(0, replacing=replacing, target=f"marts.{mart} from raw.{mirror}")


def has_live_rows(settings: Settings, table: str) -> bool:
    """Return whether the mirror of ``table`` has rows that are not deleted."""
    return _count(settings, "raw", table, condition=sql.SQL("WHERE NOT _deleted LIMIT 1")) > 0


def _count(settings: Settings, schema: str, table: str, *, condition: sql.SQL = _NO_CONDITION) -> int:
    with psycopg.connect(settings.warehouse_url) as connection:
        existing = connection.execute("SELECT to_regclass(%s)", [f"{schema}.{table}"]).fetchone()
        if existing is None or existing[0] is None:
            return 0
        statement = sql.SQL("SELECT count(*) FROM (SELECT FROM {} {}) AS counted")
        row = connection.execute(statement.format(sql.Identifier(schema, table), condition)).fetchone()
        return int(row[0]) if row else 0
