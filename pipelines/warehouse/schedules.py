"""Schedules of the warehouse, in UTC. The hourly build is part of ``refresh_serving``."""

import dagster as dg

from pipelines.warehouse.jobs import check_sources

SCHEDULES = [
    dg.ScheduleDefinition(
        job=check_sources, cron_schedule="50 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
    )
]
