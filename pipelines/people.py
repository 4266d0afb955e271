"""Removal of people's rows from the stores that are made of what they did: marts, offline and online features."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import psycopg
import redis
from psycopg import sql

from feature_repo.schemas import USER_ID, VIEW_SCHEMAS
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings

Counts = Mapping[str, int]

# Feast writes an entity's id into its key as it is.
_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MARTS: Final = "marts"
_OWNERS: Final = ("author_id", "founder_id", "owner_id")
DELETE: Final = sql.SQL("DELETE FROM {table} WHERE {person}::text = ANY(%s) RETURNING {person}::text")
UNLINK: Final = sql.SQL(
    "WITH old AS (SELECT ctid, {person}::text AS person FROM {table} WHERE {person}::text = ANY(%s) FOR UPDATE) "
    "UPDATE {table} SET {person} = NULL FROM old WHERE {table}.ctid = old.ctid RETURNING old.person"
)


def tables_of_people(connection: psycopg.Connection) -> list[str]:
    """Return the offline tables that exist and whose rows are a person's."""
    present = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [OFFLINE_SCHEMA]
    )
    known = [view.name for view in VIEW_SCHEMAS.values() if USER_ID in view.keys]
    return [name for (name,) in present if name in known]


def delete_online(settings: Settings, people: Iterable[str]) -> Counts:
    """Delete every key of the online store that holds one of the ids; return the number by person."""
    counts: Counter[str] = Counter()
    wanted = {one.encode() for one in people}
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        for key in online.scan_iter(count=1_000):
            for one in wanted.intersection(_UUID.findall(key)):
                online.delete(key)
                counts[one.decode()] += 1
    return counts


def delete_offline(settings: Settings, people: Iterable[str]) -> Counts:
    """Delete the feature history of people; return the number of rows by person."""
    counts: Counter[str] = Counter()
    with psycopg.connect(settings.feast_database_url) as connection:
        for name in tables_of_people(connection):
            statement = sql.SQL("DELETE FROM {} WHERE user_id = ANY(%s) RETURNING user_id")
            gone = connection.execute(statement.format(sql.Identifier(OFFLINE_SCHEMA, name)), [list(people)])
            counts.update(person for (person,) in gone)
    return counts


def delete_from_marts(settings: Settings, people: Iterable[str]) -> Counts:
    """Delete the rows of the marts that are a person's, and unlink what they wrote; return the number by person."""
    counts: Counter[str] = Counter()
    ids = list(people)
    with psycopg.connect(settings.warehouse_url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) "
            "WHERE table_schema = %s AND t.table_type = 'BASE TABLE' AND column_name = ANY(%s) ORDER BY 1, 2",
            [_MARTS, ["user_id", *_OWNERS]],
        ).fetchall()
        for table, column in columns:
            template = UNLINK if column in _OWNERS else DELETE
            statement = template.format(table=sql.Identifier(_MARTS, table), person=sql.Identifier(column))
            counts.update(person for (person,) in connection.execute(statement, [ids]).fetchall())
        if ("fct_activity", "user_id") in columns:
            connection.execute(
                "DELETE FROM marts.fct_activity WHERE item_kind = 'user' AND item_id::text = ANY(%s)", [ids]
            )
    return counts
