"""Schedules of ingest, in UTC."""

import dagster as dg

from pipelines.ingest import jobs

SCHEDULES = [
    dg.ScheduleDefinition(
        job=jobs.compact_lake, cron_schedule="50 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
]
