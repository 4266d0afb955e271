"""Kafka principals: one for each kind of process that connects, and the administrator."""

from __future__ import annotations

from collections.abc import Mapping

ADMIN = "admin"
RELAY = "relay"
LAKE = "ingest-lake"
WAREHOUSE = "ingest-warehouse"
STREAM = "stream-features"
PIPELINES = "pipelines"
MONITORING = "monitoring"
PRINCIPALS = (ADMIN, RELAY, LAKE, WAREHOUSE, STREAM, PIPELINES, MONITORING)
# Services that connect to Kafka; all others get no credentials.
PRINCIPAL_OF_SERVICE: Mapping[str, str] = {
    "relay": RELAY,
    "ingest-lake": LAKE,
    "ingest-warehouse": WAREHOUSE,
    "stream-features": STREAM,
    "dagster-code": PIPELINES,
    "monitoring": MONITORING,
}
