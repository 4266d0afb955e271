"""Sensors: what the ingest services land, new champions for the bentos, people who asked for a copy."""

import json

import dagster as dg

from neighborconnect.settings import Settings
from pipelines import jobs
from pipelines.assets import features
from pipelines.assets.names import bento_key
from pipelines.serving import BENTOS, ServingError, reload


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports rows that the ingest services wrote, so that lineage and freshness know of them.",
)
def landing_watch(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Report each landed table that changed since the last look."""
    from pipelines.landed import landed_tables

    before: dict[str, str] = json.loads(context.cursor or "{}")
    found = landed_tables(settings)
    changed = [table for table in found if before.get(table.name) != table.version]
    if not changed:
        return dg.SkipReason("Nothing has landed since the last look.")
    return dg.SensorResult(
        asset_events=[dg.AssetMaterialization(table.key, metadata=table.metadata) for table in changed],
        cursor=json.dumps({table.name: table.version for table in found}),
    )


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks a bento to load its champions as soon as an alias moves, whoever moved it.",
)
def champion_watch(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Reload each bento one of whose champions is another one than it was."""
    from models.registry import RegistryError, read_champion

    before: dict[str, dict[str, str]] = json.loads(context.cursor or "{}")
    seen, events, troubles = dict(before), [], []
    for bento in BENTOS:
        try:
            champions = [read_champion(settings, name) for name in bento.models]
            versions = {champion.name: champion.model_version for champion in champions if champion}
            if not versions or versions == before.get(bento.name):
                continue
            serving = reload(settings, bento)
        except (RegistryError, ServingError) as error:
            troubles.append(str(error))
            continue
        seen[bento.name] = versions
        metadata = {"champions": versions, "serving": serving}
        events.append(dg.AssetMaterialization(bento_key(bento.name), metadata=metadata))
    if not events:
        return dg.SkipReason(
            "; ".join((*troubles, "the next look tries again")) if troubles else "Nothing has changed."
        )
    return dg.SensorResult(asset_events=events, cursor=json.dumps(seen))


@dg.sensor(
    job_name=jobs.restore_online_store.name,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Restores the online store at once when Redis was emptied, and fails a check until that is done.",
)
def online_store_watch(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    """Compare the parts that were written before with those that the online store has now."""
    missing = features.missing_online_parts(context.instance, settings)
    before = json.loads(context.cursor or "[]")
    if not missing and not before:
        return dg.SensorResult(skip_reason="Every part that was written to the online store is there.")
    evaluation = dg.AssetCheckEvaluation(
        check_name=features.IS_POPULATED,
        asset_key=features.POPULATED_KEY,
        passed=not missing,
        metadata={"missing": missing},
    )
    if missing:
        context.log.error(f"The online store lacks {', '.join(missing)}: serving has no personal features.")
    running = _is_running(context.instance, jobs.restore_online_store.name)
    return dg.SensorResult(
        run_requests=[] if running or not missing else [dg.RunRequest()],
        asset_events=[evaluation],
        cursor=json.dumps(missing),
    )


def _is_running(instance: dg.DagsterInstance, job_name: str) -> bool:
    status = dg.DagsterRunStatus
    unfinished = [status.QUEUED, status.NOT_STARTED, status.STARTING, status.STARTED]
    return bool(instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=unfinished), limit=1))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks as killed the MLflow runs that a dead Dagster run left open.",
)
def abandoned_trainings_watch(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Close what a killed run could not close."""
    from models.registry import RegistryError
    from pipelines.abandoned import close_abandoned_trainings

    try:
        closed = close_abandoned_trainings(settings, context.instance)
    except RegistryError as error:
        return dg.SkipReason(f"{error}; the next tick tries again")
    return dg.SkipReason(f"Closed {closed}." if closed else "No MLflow run was left open.")


@dg.sensor(
    job_name=jobs.complete_copies.name,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks the API whether somebody's copy of what is known of them lacks the analytical stores' part.",
)
def copies_watch(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run while a copy waits, and none goes on already."""
    import httpx

    from pipelines import copies

    if _is_running(context.instance, jobs.complete_copies.name):
        return dg.SkipReason("The last run goes on still.")
    try:
        waiting = copies.waiting(settings)
    except httpx.HTTPError as error:
        return dg.SkipReason(f"The API does not say: {error}; the next look tries again")
    return dg.RunRequest() if waiting else dg.SkipReason("Nobody waits for a copy.")
