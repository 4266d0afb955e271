"""Sensors: one watches what the ingest services land, one tells serving of a new champion."""

import json

import dagster as dg

from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.assets.names import RECOMMENDATION_BENTO


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
    description="Asks the bento to load the champion as soon as the alias moves, whoever moved it.",
)
def champion_watch(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.SensorResult | dg.SkipReason:
    """Reload serving when a champion is another one than it was."""
    from models.recommendation.registry import RegistryError, read_champion
    from pipelines.serving import ServingError, reload_recommendation

    try:
        champions = {kind: read_champion(settings, kind) for kind in ItemKind}
        versions = {kind.value: champion.model_version for kind, champion in champions.items() if champion}
        if not versions:
            return dg.SkipReason("There is no champion yet.")
        if versions == json.loads(context.cursor or "{}"):
            return dg.SkipReason("The champions are the same.")
        serving = reload_recommendation(settings)
    except (RegistryError, ServingError) as error:
        return dg.SkipReason(f"{error}; the next look tries again.")
    event = dg.AssetMaterialization(RECOMMENDATION_BENTO, metadata={"champions": versions, "serving": serving})
    return dg.SensorResult(asset_events=[event], cursor=json.dumps(versions))
