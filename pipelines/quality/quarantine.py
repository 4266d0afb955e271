"""Quarantine of feature partitions: rows that failed a blocking check are stored apart from the history that is served.

A partition is a UTC day (``2026-11-16``) or an hour (``2026-11-16T09``) of a view. It leaves the quarantine when it is
computed again and passes. Its rows are personal data: the data inventory lists them and an erasure deletes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from feature_repo.schemas import EVENT_TIMESTAMP, USER_KEYS, ViewSchema
from neighborconnect.settings import Settings
from pipelines.quality.value_rules import out_of_range_conditions

# Not the schema of the history, which analysts may read.
SCHEMA: Final = "quarantine"
# Two writers that need the tables at once would both try to create them.
_CREATE_LOCK: Final = 7_302_114_003
_CREATE_TABLES: Final = """
CREATE SCHEMA IF NOT EXISTS quarantine;
CREATE TABLE IF NOT EXISTS quarantine.partitions (
  view text, partition text, as_of timestamptz NOT NULL, row_count bigint NOT NULL, reasons jsonb NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (view, partition)
);
CREATE TABLE IF NOT EXISTS quarantine.rows (
  view text, partition text, user_ids text[] NOT NULL, content jsonb NOT NULL,
  FOREIGN KEY (view, partition) REFERENCES quarantine.partitions ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS rows_by_user ON quarantine.rows USING gin (user_ids);
"""


@dataclass(frozen=True, slots=True)
class QuarantinedPartition:
    """A partition that failed its check.

    Attributes:
        view: name of the feature view.
        partition: the UTC day or hour.
        as_of: time as of which the rows were computed.
        row_count: number of rows in quarantine.
        reasons: number of invalid rows by feature.
    """

    view: str
    partition: str
    as_of: datetime
    row_count: int
    reasons: Mapping[str, int]

    @property
    def name(self) -> str:
        """Name on the command line: ``VIEW/PARTITION``."""
        return f"{self.view}/{self.partition}"


class QuarantinedError(RuntimeError):
    """Partitions failed their check; the rows that they would have replaced are unchanged.

    ``rows`` has the number of rows that were written to the other partitions, by view.
    """

    def __init__(self, partitions: Sequence[QuarantinedPartition], *, rows: Mapping[str, int]) -> None:
        self.partitions, self.rows = tuple(partitions), rows
        listed = "; ".join(
            f"{one.name} ({', '.join(f'{feature}: {count}' for feature, count in one.reasons.items())})"
            for one in partitions
        )
        super().__init__(f"In quarantine, with the number of rows out of range by feature: {listed}.")


def quarantine_invalid(
    cursor: psycopg.Cursor[Any], *, schema: ViewSchema, staged: sql.Identifier, partition: sql.Composable
) -> list[QuarantinedPartition]:
    """Move the staged partitions with invalid rows to the quarantine, in the transaction of ``cursor``.

    Valid partitions leave the quarantine.

    Args:
        cursor: cursor of the offline store.
        schema: schema of the view.
        staged: table with the new rows.
        partition: expression of the partition of a row.
    """
    conditions = dict(out_of_range_conditions(schema))
    counts = [sql.SQL("count(*) FILTER (WHERE {})").format(condition) for condition in conditions.values()]
    columns = [partition, sql.SQL("max({})").format(sql.Identifier(EVENT_TIMESTAMP)), sql.SQL("count(*)"), *counts]
    cursor.execute(sql.SQL("SELECT {} FROM {} GROUP BY 1").format(sql.SQL(", ").join(columns), staged))
    invalid, valid = [], []
    for name, as_of, rows, *numbers in cursor.fetchall():
        reasons = {feature: count for feature, count in zip(conditions, numbers, strict=True) if count}
        if reasons:
            invalid.append(QuarantinedPartition(schema.name, name, as_of, rows, reasons))
        else:
            valid.append(name)
    if not invalid and not _exists(cursor):
        return []
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATE_LOCK,))
    cursor.execute(_CREATE_TABLES)
    names = [one.partition for one in invalid]
    cursor.execute(
        "DELETE FROM quarantine.partitions WHERE view = %s AND partition = ANY(%s)", (schema.name, [*valid, *names])
    )
    for one in invalid:
        cursor.execute(
            "INSERT INTO quarantine.partitions (view, partition, as_of, row_count, reasons) "
            "VALUES (%s, %s, %s, %s, %s)",
            (one.view, one.partition, one.as_of, one.row_count, Jsonb(dict(one.reasons))),
        )
    users = sql.SQL(", ").join(sql.Identifier(key) for key in schema.keys if key in USER_KEYS)
    cursor.execute(
        sql.SQL(
            "INSERT INTO quarantine.rows (view, partition, user_ids, content) "
            "SELECT %s, {partition}, ARRAY[{users}]::text[], to_jsonb(staged) FROM {staged} AS staged "
            "WHERE {partition} = ANY(%s)"
        ).format(partition=partition, users=users, staged=staged),
        (schema.name, names),
    )
    cursor.execute(sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(staged, partition), (names,))
    return invalid


def list_quarantined(settings: Settings) -> list[QuarantinedPartition]:
    """Return the partitions in quarantine, by view and partition."""
    with psycopg.connect(settings.feast_database_url) as connection, connection.cursor() as cursor:
        if not _exists(cursor):
            return []
        cursor.execute("SELECT view, partition, as_of, row_count, reasons FROM quarantine.partitions ORDER BY 1, 2")
        return [QuarantinedPartition(*row) for row in cursor.fetchall()]


def delete_quarantined_rows(settings: Settings, users: Iterable[str]) -> Mapping[str, int]:
    """Delete the rows of users in quarantine; return the number of rows by user."""
    ids = set(users)
    with psycopg.connect(settings.feast_database_url) as connection, connection.cursor() as cursor:
        if not _exists(cursor):
            return {}
        cursor.execute("DELETE FROM quarantine.rows WHERE user_ids && %s::text[] RETURNING user_ids", [sorted(ids)])
        return Counter(user for (row_users,) in cursor.fetchall() for user in ids.intersection(row_users))


def _exists(cursor: psycopg.Cursor[Any]) -> bool:
    row = cursor.execute("SELECT to_regclass('quarantine.rows') IS NOT NULL").fetchone()
    return bool(row and row[0])
