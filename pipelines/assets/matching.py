"""Matching: the town as it is now, the registered version, the champion, and what serves it."""

import base64
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import MATCHING_MODEL
from neighborconnect.settings import Settings
from pipelines.assets.champions import RESULT, champion_asset
from pipelines.assets.names import CHAMPIONS, MODELS, RAW, SNAPSHOTS, landed
from pipelines.assets.policies import DAILY, HOURLY
from pipelines.assets.serving import bento_asset
from pipelines.serving import MATCHING

GROUP = "matching"
SEED = 20_261
TOWN_KEY = dg.AssetKey([SNAPSHOTS, "town"])
MODEL_KEY = dg.AssetKey([MODELS, MATCHING_MODEL])
CHAMPION_KEY = dg.AssetKey([CHAMPIONS, MATCHING_MODEL])


@dg.asset(
    key=TOWN_KEY,
    deps=[landed(RAW, table) for table in ("users", "follows", "connectors", "connector_members")],
    group_name=GROUP,
    kinds={"postgres", "s3"},
    description="Who is tied to whom, in what, and lives where (in cells), as matching learns from it and serves it.",
    freshness_policy=HOURLY,
)
def town(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Publish the town."""
    from pipelines.town import publish

    found, version = publish(settings)
    sizes = {"people": len(found.people), "ties": len(found.ties), "memberships": len(found.members)}
    return dg.MaterializeResult(metadata={"data_version": version, **sizes})


@dg.asset(
    key=MODEL_KEY,
    deps=[TOWN_KEY],
    group_name=GROUP,
    kinds={"mlflow", "scikitlearn"},
    description="How signs of nearness are weighed, judged on hidden ties and memberships, registered in MLflow.",
    freshness_policy=DAILY,
)
def matching_model(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """Learn and register."""
    from models.matching.train import train
    from models.registry import fetch_artifact
    from pipelines.town import read_newest

    found, data_version = read_newest(settings)
    result = train(settings, town=found, data_version=data_version, seed=SEED, say=context.log.info)
    metadata: dict[str, Any] = {
        RESULT: dg.MetadataValue.json(asdict(result)),
        "model_version": dg.MetadataValue.text(result.model_version),
        "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
    }
    if result.metrics["circles"]:
        picture = base64.b64encode(fetch_artifact(settings, result.run_id, "circles.png")).decode()
        metadata["circles"] = dg.MetadataValue.md(f"![circles of the town](data:image/png;base64,{picture})")
    return dg.MaterializeResult(metadata=metadata)


def _release(settings: Settings, said: dict[str, Any]) -> bool:
    from models.matching.train import MatchingResult, release

    return release(settings, MatchingResult(**said))


matching_champion = champion_asset(MATCHING_MODEL, group=GROUP, job="train_matching", release=_release)

ASSETS = [town, matching_model, matching_champion, bento_asset(MATCHING, deps=[CHAMPION_KEY, TOWN_KEY])]
