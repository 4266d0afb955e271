"""Queue of background jobs: jobs by lane and state, and the age of the oldest job that is due."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from neighborconnect.settings import Settings
from pipelines.monitoring.database import reading, rows
from pipelines.monitoring.exporter import Family

_COUNTS = "SELECT queue_name, status::text, count(*) FROM procrastinate_jobs GROUP BY 1, 2"
_OLDEST = """
SELECT queue_name, extract(epoch FROM clock_timestamp() - coalesce(scheduled_at, (
  SELECT at FROM procrastinate_events WHERE job_id = due.id ORDER BY id LIMIT 1
)))
FROM (
  SELECT DISTINCT ON (queue_name) id, queue_name, scheduled_at FROM procrastinate_jobs
  WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
  ORDER BY queue_name, id
) AS due
"""
_FAILED = "SELECT task_name, count(*) FROM procrastinate_jobs WHERE status = 'failed' GROUP BY 1"
_LANES = ("default", "models", "media", "renditions", "webhooks")
_STATES = ("todo", "doing", "failed")


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of each lane."""
    with reading(settings.database_url) as connection:
        counts = {(lane, state): count for lane, state, count in rows(connection, _COUNTS)}
        oldest = {lane: float(age or 0) for lane, age in rows(connection, _OLDEST)}
        failed = rows(connection, _FAILED)
    jobs = GaugeMetricFamily(
        "neighborconnect_jobs",
        "Background jobs by lane and state; jobs that succeeded are deleted, failed ones after 14 days.",
        labels=["lane", "state"],
    )
    for key in sorted({(lane, state) for lane in _LANES for state in _STATES} | set(counts)):
        jobs.add_metric(key, counts.get(key, 0))
    age = GaugeMetricFamily(
        "neighborconnect_jobs_oldest_due_age_seconds",
        "Time since the oldest waiting job of a lane was due; 0 for none.",
        labels=["lane"],
    )
    for lane in sorted({*_LANES, *oldest}):
        age.add_metric([lane], max(oldest.get(lane, 0.0), 0.0))
    by_task = GaugeMetricFamily(
        "neighborconnect_failed_jobs", "Jobs whose attempts all failed, by task.", labels=["task"]
    )
    for task, count in failed:
        by_task.add_metric([task], count)
    yield from (jobs, age, by_task)
