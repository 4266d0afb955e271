"""Sensors of the online store."""

import json

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.features import checks, jobs
from pipelines.run_control import has_unfinished_run


@dg.sensor(
    job_name=jobs.restore_online_store.name,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a run that restores the online store when Redis was emptied; a check fails until it is done.",
)
def online_store_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    """Compare the materialized parts with the parts in the online store."""
    missing = checks.missing_online_parts(context.instance, settings)
    reported = json.loads(context.cursor or "[]")
    if not missing and not reported:
        return dg.SensorResult(skip_reason="The online store contains every materialized part.")
    evaluation = dg.AssetCheckEvaluation(
        check_name=checks.IS_POPULATED,
        asset_key=checks.POPULATED_KEY,
        passed=not missing,
        metadata={"missing": missing},
    )
    if missing:
        context.log.error(f"The online store lacks {', '.join(missing)}: serving has no personal features.")
    is_restoring = has_unfinished_run(context.instance, jobs.restore_online_store.name)
    return dg.SensorResult(
        run_requests=[] if is_restoring or not missing else [dg.RunRequest()],
        asset_events=[evaluation],
        cursor=json.dumps(missing),
    )


SENSORS = [online_store_sensor]
