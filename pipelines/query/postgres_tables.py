"""Tables of PostgreSQL as Arrow streams, which DuckDB reads without an extension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
from psycopg import sql

_CONNECT_SECONDS = 10
# Types that differ between PostgreSQL and Arrow are cast by the server; the rest is read as it is.
_ARROW_TYPE: dict[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "timestamp without time zone": pa.timestamp("us"),
    "real[]": pa.list_(pa.float32()),
    "text[]": pa.list_(pa.string()),
}
_CAST = {"numeric": "double precision", "uuid[]": "text[]", "character varying[]": "text[]"}
# Every relation that a reader may read in part, with all of its columns.
_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname,
        regexp_replace(format_type(a.atttypid, a.atttypmod), '\\(.*\\)', ''),
        has_column_privilege(c.oid, a.attnum, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'v', 'm', 'p')
        AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class PostgresColumn:
    """A column of a relation, and whether the role of the connection may read it."""

    name: str
    type: str
    readable: bool

    @property
    def cast(self) -> str:
        """Type in which the server sends the column."""
        return self.type if self.type in _ARROW_TYPE else _CAST.get(self.type, "text")

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column."""
        return _ARROW_TYPE[self.cast]


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """A relation that each scan reads again, without its unreadable columns.

    It implements Arrow's PyCapsule interface for streams, which DuckDB scans.
    """

    url: str
    schema_name: str
    name: str
    columns: tuple[PostgresColumn, ...]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the readable columns."""
        return pa.schema([(column.name, column.arrow_type) for column in self.columns if column.readable])

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        selected = sql.SQL(", ").join(
            sql.SQL("{0}::{1} AS {0}").format(sql.Identifier(column.name), sql.SQL(column.cast))
            for column in self.columns
            if column.readable
        )
        statement = sql.SQL("SELECT {} FROM {}").format(selected, sql.Identifier(self.schema_name, self.name))
        with closing(adbc.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement.as_string())
            for batch in cursor.fetch_record_batch():
                yield batch.cast(self.schema)


def list_tables(url: str, schemas: Sequence[str]) -> list[PostgresTable]:
    """Return the relations of ``schemas`` of which the role of ``url`` reads at least one column.

    Raises:
        psycopg.Error: if the server refuses the connection.
    """
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        rows = connection.execute(_COLUMNS, [list(schemas)]).fetchall()
    columns: dict[tuple[str, str], list[PostgresColumn]] = {}
    for schema, table, name, kind, readable in rows:
        columns.setdefault((schema, table), []).append(PostgresColumn(name, kind, readable))
    return [PostgresTable(url, schema, table, tuple(every)) for (schema, table), every in columns.items()]
