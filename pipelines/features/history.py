"""A feature view's history: rows of a span of time are replaced, never doubled."""

from __future__ import annotations

from datetime import date, datetime
from io import BytesIO

import polars as pl
import psycopg
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, FeatureType, ViewSchema
from neighborconnect.contracts.features import OFFLINE_SCHEMA
from neighborconnect.settings import Settings
from pipelines.guards import require_rows

_ROWS_A_CHUNK = 50_000
# A day's rows carry the day's end or an earlier time.
_ROWS_A_DAY = sql.SQL(
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
    may_be_empty: bool = False,
) -> int:
    """Replace a view's offline rows whose ``event_timestamp`` is in ``(after, until]``, in one transaction.

    Readers see the old rows until it commits; another writer of the same view waits.

    Args:
        settings: where the offline store is.
        rows: the view's rows of that span.
        schema: of the view.
        after: start of the span, excluded.
        until: end of the span, included.
        may_be_empty: whether a day that had rows may be left without any.

    Returns:
        The number of rows written.

    Raises:
        EmptyInputError: when a day of the span had rows and would have none; nothing is deleted then.
    """
    table = sql.Identifier(OFFLINE_SCHEMA, schema.name)
    time = sql.Identifier(EVENT_TIMESTAMP)
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in schema.columns)
    with psycopg.connect(settings.feast_database_url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
        if not may_be_empty:
            cursor.execute(_ROWS_A_DAY.format(time=time, table=table), (after, until))
            _require_days(rows[EVENT_TIMESTAMP], dict(cursor.fetchall()), view=schema.name)
        cursor.execute(sql.SQL("DELETE FROM {} WHERE {} > %s AND {} <= %s").format(table, time, time), (after, until))
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, columns)) as copy:
            for chunk in rows.select(schema.columns).iter_slices(_ROWS_A_CHUNK):
                buffer = BytesIO()
                chunk.with_columns(_array_literals(schema)).write_csv(buffer, include_header=False)
                copy.write(buffer.getvalue())
    return rows.height


def _require_days(new: pl.Series, rows_a_day: dict[date, int], *, view: str) -> None:
    """Refuse to leave a day without rows that has some."""
    days = set(new.dt.offset_by("-1us").dt.date())
    for day, number in sorted(rows_a_day.items()):
        require_rows(int(day in days), replacing=number, target=f"{OFFLINE_SCHEMA}.{view} of {day}")


def _array_literals(schema: ViewSchema) -> list[pl.Expr]:
    """Write lists as PostgreSQL reads arrays."""
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
