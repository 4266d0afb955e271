"""State of Dagster: last success of each job, failed runs, heartbeats, materializations and checks of assets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from neighborconnect.settings import Settings
from pipelines.monitoring.database import Row, has_table, reading, rows
from pipelines.monitoring.exporter import Family

_SUCCESSES = (
    "SELECT pipeline_name, max(end_time) FROM runs WHERE status = 'SUCCESS' AND end_time IS NOT NULL GROUP BY 1"
)
_FAILURES = (
    "SELECT pipeline_name, count(*) FROM runs "
    "WHERE status = 'FAILURE' AND end_time > extract(epoch FROM now() - interval '1 day') GROUP BY 1"
)
_ACTIVE = (
    "SELECT status, count(*) FROM runs WHERE status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING') "
    "GROUP BY 1"
)
# The column last_materialization_timestamp is also written when a materialization is only planned.
_ASSETS = (
    "SELECT asset_key, (last_materialization::json -> 'event_log_entry' ->> 'timestamp')::float FROM asset_keys "
    "WHERE last_materialization IS NOT NULL"
)
# A planned evaluation has no verdict yet.
_CHECKS = (
    "SELECT DISTINCT ON (asset_key, check_name) asset_key, check_name, execution_status FROM asset_check_executions "
    "WHERE execution_status IN ('SUCCEEDED', 'FAILED') ORDER BY asset_key, check_name, id DESC"
)
_HEARTBEAT = "SELECT extract(epoch FROM max(timestamp)) FROM daemon_heartbeats"
_TABLES = ("runs", "asset_keys", "asset_check_executions", "daemon_heartbeats")


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of jobs, runs and assets; nothing before Dagster created its tables."""
    statements = (_SUCCESSES, _FAILURES, _ACTIVE, _ASSETS, _CHECKS, _HEARTBEAT)
    answers: list[list[Row]] = [[] for _ in statements]
    with reading(settings.dagster_database_url) as connection:
        if all(has_table(connection, table) for table in _TABLES):
            answers = [rows(connection, statement) for statement in statements]
    succeeded, failed, active, assets, checks, heartbeat = answers
    success = GaugeMetricFamily(
        "neighborconnect_dagster_job_last_success_timestamp_seconds",
        "End of the last successful run of a job.",
        labels=["job"],
    )
    for job, ended_at in succeeded:
        success.add_metric([job], float(ended_at))
    failures = GaugeMetricFamily(
        "neighborconnect_dagster_failed_runs", "Runs of a job that failed in the last 24 hours.", labels=["job"]
    )
    for job, count in failed:
        failures.add_metric([job], count)
    running = GaugeMetricFamily(
        "neighborconnect_dagster_active_runs", "Runs that have not ended, by state.", labels=["state"]
    )
    for state, count in active:
        running.add_metric([str(state).lower()], count)
    materialized = GaugeMetricFamily(
        "neighborconnect_asset_materialized_timestamp_seconds",
        "Last materialization of an asset: features, marts, models, indexes.",
        labels=["group", "asset"],
    )
    for key, at in assets:
        if at is None:
            continue
        group, _, name = "/".join(json.loads(key)).partition("/")
        materialized.add_metric([group, name], float(at))
    checked = GaugeMetricFamily(
        "neighborconnect_asset_check_passed_info",
        "1 if the last evaluation of a check of an asset passed, else 0.",
        labels=["group", "asset", "check"],
    )
    for key, name, status in checks:
        group, _, asset = "/".join(json.loads(key)).partition("/")
        checked.add_metric([group, asset, name], float(status == "SUCCEEDED"))
    beat = GaugeMetricFamily(
        "neighborconnect_dagster_heartbeat_timestamp_seconds", "Last heartbeat of Dagster's daemon."
    )
    for (at,) in heartbeat:
        if at is not None:
            beat.add_metric([], float(at))
    yield from (success, failures, running, materialized, checked, beat)
