"""The recommenders: training sets, registered models, champions, and what serving reads of them."""

import json
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.assets.features import DAILY_VIEWS, HOURLY_VIEWS
from pipelines.assets.names import (
    CATALOGUE,
    FEATURE_REGISTRY,
    LAKE,
    OFFLINE,
    ONLINE,
    champion_key,
    feature_key,
    landed,
    model_key,
    snapshot_key,
    training_key,
    vectors_key,
)
from pipelines.assets.policies import DAILY, HOURLY
from pipelines.assets.serving import bento_asset
from pipelines.serving import RECOMMENDATION

GROUP = "recommendation"
RESULT = "training_result"
_EVENTS = [
    landed(LAKE, table)
    for table in ("interactions", "post_likes", "comments", "connector_members", "posts", "connectors")
]


def _training_set(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=training_key(kind),
        deps=_EVENTS,
        group_name=GROUP,
        kinds={"polars", "deltalake"},
        description=f"Positive signs of interest in {kind.value}s, a version each time.",
        freshness_policy=DAILY,
    )
    def training_set(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from pipelines.training_sets import write_interactions

        written = write_interactions(settings, kind=kind)
        rows = written.interactions
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows.height,
                "data_version": written.data_version,
                "people": rows["user_id"].n_unique(),
                "items": rows["item_id"].n_unique(),
            }
        )

    return training_set


def _model(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=model_key(kind),
        deps=[training_key(kind), CATALOGUE, *(feature_key(OFFLINE, view) for view in DAILY_VIEWS)],
        group_name=GROUP,
        kinds={"mlflow", "numpy"},
        description=f"A recommender of {kind.value}s, judged on a time split and registered in MLflow.",
        freshness_policy=DAILY,
    )
    def model(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from models.recommendation.features import FeastFeatures
        from models.recommendation.train import train
        from pipelines.stores import feature_store
        from pipelines.training_sets import read_interactions, read_items

        found = read_interactions(settings, kind=kind)
        with feature_store(settings) as store:
            result = train(
                settings,
                kind=kind,
                interactions=found.interactions,
                items=read_items(settings, kind=kind),
                features=FeastFeatures(store, kind=kind),
                data_version=found.data_version,
                progress=context.log.info,
            )
        return dg.MaterializeResult(
            metadata={
                RESULT: dg.MetadataValue.json(asdict(result)),
                "model_version": result.model_version,
                "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
                "run": dg.MetadataValue.url(f"{settings.mlflow_tracking_uri}/#/runs/{result.run_id}"),
            }
        )

    return model


def _champion(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=champion_key(kind),
        deps=[model_key(kind), FEATURE_REGISTRY],
        group_name=GROUP,
        kinds={"mlflow", "redis", "s3"},
        description="The alias that serving follows; it moves last, when snapshot and vectors are where serving looks.",
    )
    def champion(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from models.recommendation.release import release
        from models.recommendation.train import TrainingResult
        from pipelines.stores import feature_store

        result = TrainingResult(**_result(context, kind))
        with feature_store(settings) as store:
            promoted = release(settings, result, store=store)
        return dg.MaterializeResult(metadata={"candidate": result.model_version, "promoted": promoted})

    return champion


def _result(context: dg.AssetExecutionContext, kind: ItemKind) -> dict[str, Any]:
    """Read what the training said, from its own record; it may have been another run."""
    event = context.instance.get_latest_materialization_event(model_key(kind))
    if event is None or event.asset_materialization is None:
        raise dg.Failure(f"{model_key(kind).to_user_string()} has not been trained yet: run train_recommenders.")
    said: dict[str, Any] = json.loads(json.dumps(event.asset_materialization.metadata[RESULT].value))
    return said | {"kind": kind, "reasons": tuple(said["reasons"])}


def _snapshot(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=snapshot_key(kind),
        deps=[champion_key(kind), CATALOGUE, *_EVENTS],
        group_name=GROUP,
        kinds={"s3"},
        description=f"Every {kind.value} that may be recommended now, as the champion sees it.",
        freshness_policy=HOURLY,
    )
    def snapshot(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from models.recommendation.release import refresh_snapshot
        from pipelines.training_sets import collect_interactions, read_items

        items = read_items(settings, kind=kind)
        key = refresh_snapshot(settings, kind=kind, items=items, interactions=collect_interactions(settings, kind=kind))
        return dg.MaterializeResult(metadata={"key": key or "there is no champion yet", "items": items.height})

    return snapshot


def _vectors(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=vectors_key(kind),
        deps=[champion_key(kind), *_EVENTS],
        group_name=GROUP,
        kinds={"feast", "redis"},
        description="People in the champion's space, folded in with what they did since the training.",
        freshness_policy=HOURLY,
    )
    def vectors(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from models.recommendation.release import refresh_vectors
        from pipelines.features import online_store
        from pipelines.stores import feature_store
        from pipelines.training_sets import collect_interactions

        interactions = collect_interactions(settings, kind=kind)
        with feature_store(settings) as store, online_store.writing(settings, online_store.vectors_part(kind)):
            pushed = refresh_vectors(settings, kind=kind, interactions=interactions, store=store)
        return dg.MaterializeResult(metadata={"people": pushed})

    return vectors


recommendation_bento = bento_asset(
    RECOMMENDATION,
    deps=[
        *(key(kind) for kind in ItemKind for key in (champion_key, snapshot_key, vectors_key)),
        *(feature_key(ONLINE, view) for view in HOURLY_VIEWS),
    ],
)


ASSETS = [
    *(make(kind) for kind in ItemKind for make in (_training_set, _model, _champion, _snapshot, _vectors)),
    recommendation_bento,
]
