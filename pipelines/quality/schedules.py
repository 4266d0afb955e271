"""Schedules of the checks, in UTC."""

import dagster as dg

from pipelines.quality import jobs

_RUNNING = dg.DefaultScheduleStatus.RUNNING

SCHEDULES = [
    dg.ScheduleDefinition(job=jobs.check_event_copies, cron_schedule="35 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.check_marts, cron_schedule="45 4 * * *", default_status=_RUNNING),
]
