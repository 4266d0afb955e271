"""Schedules of the feature views, in UTC."""

import dagster as dg

from pipelines.features import jobs

_RUNNING = dg.DefaultScheduleStatus.RUNNING

SCHEDULES = [
    dg.ScheduleDefinition(job=jobs.refresh_features, cron_schedule="5 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.measure_feature_drift, cron_schedule="50 1 * * *", default_status=_RUNNING),
    dg.build_schedule_from_partitioned_job(
        jobs.record_features, name="record_features_schedule", hour_of_day=0, minute_of_hour=30, default_status=_RUNNING
    ),
]
