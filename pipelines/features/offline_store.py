"""History of the feature views in the offline store: the rows of a period are checked, then replace the old ones."""

from __future__ import annotations

from datetime import date, datetime
from io import BytesIO

import polars as pl
import psycopg
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings
from pipelines.empty_input import require_rows
from pipelines.quality.quarantine import QuarantinedError, quarantine_invalid

_CHUNK_ROWS = 50_000
_STAGED = sql.Identifier("staged_feature_rows")
# The day of a row, as in the count below.
_DAY = sql.SQL("to_char(({time} - interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
# A row at midnight belongs to the day that ends.
_COUNT_BY_DAY = sql.SQL(
    "SELECT (({time} - interval '1 microsecond') AT TIME ZONE 'UTC')::date, count(*) FROM {table} "
    "WHERE {time} > %s AND {time} <= %s GROUP BY 1"
)


def replace_rows(
    settings: Settings,
    rows: pl.DataFrame,
    *,
    schema: ViewSchema,
    after: datetime,
    until: datetime,
    partition: str | None = None,
    may_be_empty: bool = False,
) -> int:
    """Replace a view's offline rows whose ``event_timestamp`` is in ``(after, until]``, in one transaction.

    Readers see the old rows until the commit; other writers of the view wait. The new rows are staged and checked: a
    partition with a value out of range goes to the quarantine, and its old rows stay.

    Args:
        settings: address of the offline store.
        rows: the new rows of the period.
        schema: schema of the view.
        after: start of the period, exclusive, with a time zone.
        until: end of the period, inclusive, with a time zone.
        partition: name of the partition of all rows; None if each UTC day is a partition.
        may_be_empty: whether a day with rows may end up without rows.

    Returns:
        The number of rows written.

    Raises:
        EmptyInputError: if a day of the period has rows and would end up without; nothing is deleted.
        QuarantinedError: if partitions failed the check; the others are replaced.
    """
    table = sql.Identifier(OFFLINE_SCHEMA, schema.name)
    time = sql.Identifier(EVENT_TIMESTAMP)
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in schema.columns)
    with psycopg.connect(settings.feast_database_url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
        if not may_be_empty:
            cursor.execute(_COUNT_BY_DAY.format(time=time, table=table), (after, until))
            _require_days(rows[EVENT_TIMESTAMP], dict(cursor.fetchall()), view=schema.name)
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(_STAGED, table))
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(_STAGED, columns)) as copy:
            for chunk in rows.select(schema.columns).iter_slices(_CHUNK_ROWS):
                buffer = BytesIO()
                chunk.with_columns(_array_literals(schema)).write_csv(buffer, include_header=False)
                copy.write(buffer.getvalue())
        name = _DAY.format(time=time) if partition is None else sql.Literal(partition)
        quarantined = quarantine_invalid(cursor, schema=schema, staged=_STAGED, partition=name)
        cursor.execute(
            sql.SQL("DELETE FROM {} WHERE {} > %s AND {} <= %s AND {} <> ALL(%s)").format(table, time, time, name),
            (after, until, [one.partition for one in quarantined]),
        )
        written = cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(table, columns, columns, _STAGED)
        ).rowcount
    if quarantined:
        raise QuarantinedError(quarantined, rows={schema.name: written})
    return written


def _require_days(new: pl.Series, row_counts: dict[date, int], *, view: str) -> None:
    """Raise ``EmptyInputError`` if a day with rows would end up without."""
    days = set(new.dt.offset_by("-1us").dt.date())
    for day, count in sorted(row_counts.items()):
        require_rows(int(day in days), replacing=count, target=f"{OFFLINE_SCHEMA}.{view} of {day}")


def _array_literals(schema: ViewSchema) -> list[pl.Expr]:
    """Convert list columns to PostgreSQL array literals."""
    literals = []
    for name, kind in schema.features.items():
        element = pl.element().cast(pl.String)
        if kind is FeatureType.STRING_LIST:
            escaped = element.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
            element = '"' + escaped + '"'
        elif kind is not FeatureType.FLOAT32_LIST:
            continue
        literals.append(("{" + pl.col(name).list.eval(element).list.join(",") + "}").alias(name))
    return literals
