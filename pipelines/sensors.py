"""Sensors: what the ingest services land, new champions for the bentos, people who asked for a copy."""

import json

import dagster as dg

from neighborconnect.settings import Settings
from pipelines import jobs
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

    status = dg.DagsterRunStatus
    unfinished = [status.QUEUED, status.NOT_STARTED, status.STARTING, status.STARTED]
    if context.instance.get_runs(dg.RunsFilter(job_name=jobs.complete_copies.name, statuses=unfinished), limit=1):
        return dg.SkipReason("The last run goes on still.")
    try:
        waiting = copies.waiting(settings)
    except httpx.HTTPError as error:
        return dg.SkipReason(f"The API does not say: {error}; the next look tries again")
    return dg.RunRequest() if waiting else dg.SkipReason("Nobody waits for a copy.")
