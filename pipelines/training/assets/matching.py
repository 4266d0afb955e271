"""Matching: social graph snapshot, registered model, champion and service."""

import base64
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import MATCHING_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import (
    DAILY,
    HOURLY,
    RAW,
    SOCIAL_GRAPH,
    TRAINING_RESULT,
    champion_key,
    model_key,
    table_key,
)
from pipelines.training.assets.champions import champion_asset, service_asset
from pipelines.training.model_services import MATCHING

GROUP = "matching"


@dg.asset(
    key=SOCIAL_GRAPH,
    deps=[table_key(RAW, table) for table in ("users", "follows", "connectors", "connector_members")],
    group_name=GROUP,
    kinds={"postgres", "s3"},
    description="Users, follows, memberships, interests and generalized home cells, for training and serving.",
    freshness_policy=HOURLY,
)
def social_graph(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Publish a snapshot of the social graph."""
    from pipelines.training.social_graph_snapshot import publish_current

    graph, version = publish_current(settings)
    sizes = {"users": len(graph.users), "follows": len(graph.follows), "memberships": len(graph.members)}
    return dg.MaterializeResult(metadata={"data_version": version, **sizes})


@dg.asset(
    key=model_key(MATCHING_MODEL),
    deps=[SOCIAL_GRAPH],
    group_name=GROUP,
    kinds={"mlflow", "scikitlearn"},
    description="Link predictors, evaluated on held-out follows and memberships and registered in MLflow.",
    freshness_policy=DAILY,
)
def matching_model(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """Train and register a version."""
    from models.registry import fetch_artifact
    from pipelines.training.recipe import MatchingRecipe
    from pipelines.training.recipe_runs import train_recipe

    result = train_recipe(settings, MatchingRecipe(), progress=context.log.info)
    metadata: dict[str, Any] = {
        TRAINING_RESULT: dg.MetadataValue.json(asdict(result)),
        "model_version": dg.MetadataValue.text(result.model_version),
        "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
    }
    if result.metrics["communities"]:
        image = base64.b64encode(fetch_artifact(settings, result.run_id, "communities.png")).decode()
        metadata["communities"] = dg.MetadataValue.md(f"![communities](data:image/png;base64,{image})")
    return dg.MaterializeResult(metadata=metadata)


def _promote(settings: Settings, result: dict[str, Any]) -> bool:
    from models.matching.train import MatchingResult, promote

    return promote(settings, MatchingResult(**result))


ASSETS = [
    social_graph,
    matching_model,
    champion_asset(MATCHING_MODEL, group=GROUP, job="train_matching", promote=_promote),
    service_asset(MATCHING, deps=[champion_key(MATCHING_MODEL), SOCIAL_GRAPH]),
]
