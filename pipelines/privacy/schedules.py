"""Schedules of privacy, in UTC."""

import dagster as dg

from pipelines.privacy import jobs

SCHEDULES = [
    dg.ScheduleDefinition(
        job=jobs.erase_users, cron_schedule="12 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
]
