"""Sensors of privacy."""

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.privacy import jobs
from pipelines.run_control import has_unfinished_run


@dg.sensor(
    job_name=jobs.complete_data_exports.name,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a run while a data export lacks the part of the analytical stores.",
)
def data_exports_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """Request a run if an export is incomplete and no run is in progress."""
    import httpx

    from pipelines.privacy import data_exports

    if has_unfinished_run(context.instance, jobs.complete_data_exports.name):
        return dg.SkipReason("The previous run is in progress.")
    try:
        incomplete = data_exports.read_incomplete_exports(settings)
    except httpx.HTTPError as error:
        return dg.SkipReason(f"The API request failed: {error}; the next evaluation retries")
    return dg.RunRequest() if incomplete else dg.SkipReason("No data export is incomplete.")


SENSORS = [data_exports_sensor]
