"""When jobs run (UTC). Minutes are spread, for runs queue one behind another."""

import dagster as dg

from pipelines import jobs

_RUNNING = dg.DefaultScheduleStatus.RUNNING

SCHEDULES = [
    dg.ScheduleDefinition(job=jobs.refresh_features, cron_schedule="5 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.refresh_serving, cron_schedule="20 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.check_landing, cron_schedule="35 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.compact_lake, cron_schedule="50 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.forget_people, cron_schedule="12 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.check_marts, cron_schedule="45 4 * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_recommenders, cron_schedule="0 3 * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_content, cron_schedule="0 4 * * 1", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_matching, cron_schedule="30 3 * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_vision, cron_schedule="30 4 * * 1", default_status=_RUNNING),
    dg.build_schedule_from_partitioned_job(
        jobs.record_features, name="record_features_schedule", hour_of_day=0, minute_of_hour=30, default_status=_RUNNING
    ),
]
