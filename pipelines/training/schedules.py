"""Schedules of training and of the refresh of serving, in UTC. Runs queue, so their minutes are spread."""

import dagster as dg

from pipelines.training import jobs

_RUNNING = dg.DefaultScheduleStatus.RUNNING

SCHEDULES = [
    dg.ScheduleDefinition(job=jobs.refresh_serving, cron_schedule="20 * * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_recommenders, cron_schedule="0 3 * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_matching, cron_schedule="30 3 * * *", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_content, cron_schedule="0 4 * * 1", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.evaluate_recommendations, cron_schedule="20 5 * * 1", default_status=_RUNNING),
    dg.ScheduleDefinition(job=jobs.train_vision, cron_schedule="30 4 * * 1", default_status=_RUNNING),
]
