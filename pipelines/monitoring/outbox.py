"""Outbox of change capture: its length, the age of its oldest event, and rejected events."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from neighborconnect.settings import Settings
from pipelines.monitoring.database import reading, rows
from pipelines.monitoring.exporter import Family

COUNTED = 200_001
"""A longer outbox is not counted to its end."""
# No WHERE for the age: the oldest waiting row is the first by id, which the primary key gives.
_STATEMENT = """
SELECT
  (SELECT count(*) FROM (SELECT FROM cdc_outbox WHERE rejected IS NULL LIMIT %s) AS waiting),
  (SELECT extract(epoch FROM clock_timestamp() - created_at) FROM cdc_outbox WHERE rejected IS NULL
   ORDER BY id LIMIT 1),
  (SELECT count(*) FROM cdc_outbox WHERE rejected IS NOT NULL)
"""


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of the outbox."""
    with reading(settings.database_url) as connection:
        [(waiting, age, rejected)] = rows(connection, _STATEMENT, [COUNTED])
    yield GaugeMetricFamily(
        "neighborconnect_outbox_events",
        "Events that the relay has not published; 200001 stands for that and more.",
        value=waiting,
    )
    yield GaugeMetricFamily(
        "neighborconnect_outbox_oldest_event_age_seconds",
        "Age of the oldest event that the relay has not published; 0 for an empty outbox.",
        value=max(float(age or 0), 0.0),
    )
    yield GaugeMetricFamily(
        "neighborconnect_outbox_rejected_events", "Events that Kafka refuses and the relay skips.", value=rejected
    )
