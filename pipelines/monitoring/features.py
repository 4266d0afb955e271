"""Age of the features: the newest row of each feature view in the offline store."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from psycopg import sql

from feature_repo.schemas import EVENT_TIMESTAMP, VIEW_SCHEMAS
from neighborconnect.settings import Settings
from pipelines.monitoring.database import has_table, reading
from pipelines.monitoring.exporter import Family


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the event time of the newest row of each view."""
    newest = GaugeMetricFamily(
        "neighborconnect_feature_newest_timestamp_seconds",
        "Event time of the newest row of a feature view in the offline store.",
        labels=["view"],
    )
    with reading(settings.feast_database_url) as connection:
        for schema in VIEW_SCHEMAS.values():
            if not has_table(connection, schema.table):
                continue
            statement = sql.SQL("SELECT extract(epoch FROM max({})) FROM {}").format(
                sql.Identifier(EVENT_TIMESTAMP), sql.Identifier(*schema.table.split("."))
            )
            row = connection.execute(statement).fetchone()
            if row is not None and row[0] is not None:
                newest.add_metric([schema.name], float(row[0]))
    yield newest
