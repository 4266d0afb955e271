"""The offline tables: made from the view schemas, one table a view, in schema ``offline`` of database ``feast``."""

from __future__ import annotations

import psycopg
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS, FeatureType, ViewSchema
from neighborconnect.contracts.features import OFFLINE_SCHEMA, READER_ROLE

_POSTGRES_TYPE = {
    FeatureType.INT64: "bigint",
    FeatureType.FLOAT32: "real",
    FeatureType.FLOAT32_LIST: "real[]",
    FeatureType.STRING_LIST: "text[]",
}
# Two processes that start together would both make the tables and both fail on the catalogue's unique keys.
_CREATE_LOCK = 7_302_114_001
# People and notebooks read every view, also those that are added later. A server may lack the role.
_GRANT_READS = f"""
DO $grant$ BEGIN
  IF to_regrole('{READER_ROLE}') IS NOT NULL
      AND NOT has_schema_privilege('{READER_ROLE}', '{OFFLINE_SCHEMA}', 'USAGE') THEN
    GRANT USAGE ON SCHEMA {OFFLINE_SCHEMA} TO {READER_ROLE};
    GRANT SELECT ON ALL TABLES IN SCHEMA {OFFLINE_SCHEMA} TO {READER_ROLE};
    ALTER DEFAULT PRIVILEGES IN SCHEMA {OFFLINE_SCHEMA} GRANT SELECT ON TABLES TO {READER_ROLE};
  END IF;
END $grant$
"""


def ensure_offline_tables(conninfo: str) -> None:
    """Create the offline tables that are missing and add the features that a table lacks (as nulls)."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATE_LOCK,))
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(OFFLINE_SCHEMA)))
        for schema in VIEW_SCHEMAS.values():
            _ensure_table(connection, schema)
        connection.execute(_GRANT_READS)


def _ensure_table(connection: psycopg.Connection, schema: ViewSchema) -> None:
    table = sql.Identifier(OFFLINE_SCHEMA, schema.name)
    keys = sql.SQL(", ").join(sql.Identifier(key) for key in schema.keys)
    key_columns = sql.SQL(", ").join(sql.SQL("{} text NOT NULL").format(sql.Identifier(key)) for key in schema.keys)
    time = sql.Identifier(EVENT_TIMESTAMP)
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, {} timestamptz NOT NULL, PRIMARY KEY ({}, {}))").format(
            table, key_columns, time, keys, time
        )
    )
    for feature, kind in schema.features.items():
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                table, sql.Identifier(feature), sql.SQL(_POSTGRES_TYPE[kind])
            )
        )
    # Materialisation and the replacing of a day read a range of time over all keys.
    connection.execute(
        sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING brin ({})").format(
            sql.Identifier(f"{schema.name}_by_time"), table, time
        )
    )
