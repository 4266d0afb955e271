"""Deletion of users' rows in the derived stores: marts, offline features and online features."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import psycopg
import redis
from psycopg import sql

from feature_repo.schemas import USER_KEYS, VIEW_SCHEMAS
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings

CountsByUser = Mapping[str, int]
"""Number of deleted rows or keys by user id."""

# Feast writes the id of an entity into its key without encoding.
_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MART_SCHEMAS: Final = ("marts", "snapshots")
"""Schemas of the tables that dbt builds."""
_OWNER_COLUMNS: Final = ("author_id", "founder_id", "owner_id", "seller_id")
DELETE: Final = sql.SQL("DELETE FROM {table} WHERE {user}::text = ANY(%s) RETURNING {user}::text")
UNLINK: Final = sql.SQL(
    "WITH old AS (SELECT ctid, {user}::text AS user_id FROM {table} WHERE {user}::text = ANY(%s) FOR UPDATE) "
    "UPDATE {table} SET {user} = NULL FROM old WHERE {table}.ctid = old.ctid RETURNING old.user_id"
)


def offline_user_columns(connection: psycopg.Connection) -> list[tuple[str, str]]:
    """Return the existing tables of the offline store whose rows belong to users, each with its column of user ids."""
    tables = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [OFFLINE_SCHEMA]
    )
    existing = {name for (name,) in tables}
    views = [view for view in VIEW_SCHEMAS.values() if view.name in existing]
    return [(view.name, key) for view in views for key in view.keys if key in USER_KEYS]


def delete_online(settings: Settings, users: Iterable[str]) -> CountsByUser:
    """Delete every key of the online store that contains one of the ids; return the number by user."""
    counts: Counter[str] = Counter()
    ids = {user_id.encode() for user_id in users}
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        for key in online.scan_iter(count=1_000):
            for user_id in ids.intersection(_UUID.findall(key)):
                online.delete(key)
                counts[user_id.decode()] += 1
    return counts


def delete_offline(settings: Settings, users: Iterable[str]) -> CountsByUser:
    """Delete the feature history of users; return the number of rows by user."""
    counts: Counter[str] = Counter()
    with psycopg.connect(settings.feast_database_url) as connection:
        for name, column in offline_user_columns(connection):
            statement = DELETE.format(table=sql.Identifier(OFFLINE_SCHEMA, name), user=sql.Identifier(column))
            counts.update(user_id for (user_id,) in connection.execute(statement, [list(users)]))
    return counts


def delete_from_marts(settings: Settings, users: Iterable[str]) -> CountsByUser:
    """Delete the users' rows of the marts and snapshots, and unlink their posts and connectors.

    Returns:
        The number of rows by user.
    """
    counts: Counter[str] = Counter()
    ids = list(users)
    with psycopg.connect(settings.warehouse_url) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) "
            "WHERE table_schema = ANY(%s) AND t.table_type = 'BASE TABLE' AND column_name = ANY(%s) ORDER BY 1, 2, 3",
            [list(_MART_SCHEMAS), ["user_id", *_OWNER_COLUMNS]],
        ).fetchall()
        for schema, table, column in columns:
            template = UNLINK if column in _OWNER_COLUMNS else DELETE
            statement = template.format(table=sql.Identifier(schema, table), user=sql.Identifier(column))
            counts.update(user_id for (user_id,) in connection.execute(statement, [ids]).fetchall())
        if ("marts", "fct_activity", "user_id") in columns:
            connection.execute(
                "DELETE FROM marts.fct_activity WHERE item_kind = 'user' AND item_id::text = ANY(%s)", [ids]
            )
    return counts
