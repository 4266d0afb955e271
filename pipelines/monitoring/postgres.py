"""State of PostgreSQL: connections, transactions, sizes and the write-ahead log."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from neighborconnect.settings import Settings
from pipelines.monitoring.database import reading, rows
from pipelines.monitoring.exporter import Family

# Sessions of other roles show neither state nor transaction, so each database is read by its own role.
_OWN = """
SELECT current_database(), pg_database_size(current_database()), coalesce((
  SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
), 0)
"""
_ALL = """
SELECT datname, numbackends, xact_commit, xact_rollback, deadlocks, blks_hit, blks_read FROM pg_stat_database
WHERE datname = ANY(%s)
"""
_SERVER = """
SELECT current_setting('max_connections')::int,
  CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END
"""


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of the server and of each database of the platform."""
    urls = (
        settings.database_url,
        settings.warehouse_url,
        settings.feast_database_url,
        settings.dagster_database_url,
        settings.mlflow_database_url,
    )
    own = []
    for url in urls:
        with reading(url) as connection:
            own += rows(connection, _OWN)
            if url == settings.database_url:
                [(max_connections, wal)] = rows(connection, _SERVER)
    with reading(settings.database_url) as connection:
        databases = rows(connection, _ALL, [[name for name, *_ in own]])
    size = GaugeMetricFamily("neighborconnect_postgres_database_bytes", "Size of a database.", labels=["database"])
    oldest = GaugeMetricFamily(
        "neighborconnect_postgres_oldest_transaction_age_seconds",
        "Age of the oldest open transaction of a database's own role.",
        labels=["database"],
    )
    for name, size_bytes, age in own:
        size.add_metric([name], size_bytes)
        oldest.add_metric([name], max(float(age), 0.0))
    connections = GaugeMetricFamily(
        "neighborconnect_postgres_connections", "Open connections to a database.", labels=["database"]
    )
    transactions = CounterMetricFamily(
        "neighborconnect_postgres_transactions", "Transactions by outcome.", labels=["database", "outcome"]
    )
    deadlocks = CounterMetricFamily("neighborconnect_postgres_deadlocks", "Deadlocks.", labels=["database"])
    blocks = CounterMetricFamily(
        "neighborconnect_postgres_blocks", "Blocks from the cache and from disk.", labels=["database", "source"]
    )
    for name, open_connections, committed, rolled_back, dead, hit, read in databases:
        connections.add_metric([name], open_connections)
        transactions.add_metric([name, "commit"], committed)
        transactions.add_metric([name, "rollback"], rolled_back)
        deadlocks.add_metric([name], dead)
        blocks.add_metric([name, "cache"], hit)
        blocks.add_metric([name, "disk"], read)
    yield from (size, oldest, connections, transactions, deadlocks, blocks)
    yield GaugeMetricFamily(
        "neighborconnect_postgres_max_connections", "Connections that the server accepts.", value=max_connections
    )
    yield CounterMetricFamily(
        "neighborconnect_postgres_wal_bytes", "Bytes ever written to the write-ahead log.", value=float(wal)
    )
