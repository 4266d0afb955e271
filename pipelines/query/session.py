"""DuckDB connection over the lake, the marts, staging and the history of the features.

DuckDB loads and downloads no extension. Arrow is the bridge: ``deltalake`` opens the tables of the lake as datasets,
and ADBC streams the tables of PostgreSQL. The connection reads no files and changes nothing but its own memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import duckdb
import psycopg

from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings, get_settings
from pipelines.query.errors import QueryError
from pipelines.query.lake_tables import open_tables
from pipelines.query.postgres_tables import list_tables
from pipelines.query.roles import Role, features_url, warehouse_url

SCHEMAS: Final = ("lake", "marts", "features", "staging")
MASK: Final = "<masked>"
_WAREHOUSE_SCHEMAS: Final = ("marts", "staging")


def connect(settings: Settings | None = None, *, role: Role = Role.ANALYST) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB connection with a view per table in the schemas ``lake``, ``marts``, ``features`` and ``staging``.

    Tables of PostgreSQL are read by each statement. Tables of the lake are read as of this call. Personal columns that
    the role does not read contain ``<masked>``, also in columns of other types, as text. Times are in UTC.

    Args:
        settings: addresses and credentials; those of this process if None.
        role: PostgreSQL role to read with. ``Role.PRIVACY_OFFICER`` needs the role's credential, also for the lake.

    Raises:
        QueryError: if a store or the credential of the role cannot be used.
    """
    settings = settings or get_settings()
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA {schema}")
        # PostgreSQL comes first: it refuses a role without its password before the lake is opened.
        _add_postgres(connection, warehouse_url(settings, role), _WAREHOUSE_SCHEMAS, store="warehouse")
        _add_postgres(connection, features_url(settings), (OFFLINE_SCHEMA,), store="feature history")
        _add_lake(connection, settings, role)
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def _add_postgres(connection: duckdb.DuckDBPyConnection, url: str, schemas: tuple[str, ...], *, store: str) -> None:
    try:
        tables = list_tables(url, schemas)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        raise QueryError(f"The {store} cannot be read: {reason}") from None
    for table in tables:
        schema = "features" if table.schema_name == OFFLINE_SCHEMA else table.schema_name
        masked = {column.name: not column.readable for column in table.columns}
        _add_view(connection, schema, table.name, table, masked)


def _add_lake(connection: duckdb.DuckDBPyConnection, settings: Settings, role: Role) -> None:
    try:
        tables = open_tables(settings, personal=role.reads_personal_columns)
    except OSError as error:
        raise QueryError(f"The lake at {settings.s3_endpoint_url} cannot be read: {error}") from None
    for table in tables:
        _add_view(connection, "lake", table.name, table.dataset, table.columns)


def _add_view(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, source: Any, masked: dict[str, bool]
) -> None:
    """Create the view of a table, whose ``source`` lacks the masked columns."""
    registered = f"{schema}__{name}"
    connection.register(registered, source)
    columns: Iterable[str] = (
        f"'{MASK}' AS {quoted(column)}" if is_masked else quoted(column) for column, is_masked in masked.items()
    )
    connection.execute(
        f"CREATE VIEW {schema}.{quoted(name)} AS SELECT {', '.join(columns)} FROM {quoted(registered)}"  # noqa: S608
    )


def quoted(identifier: str) -> str:
    """Return an identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'
