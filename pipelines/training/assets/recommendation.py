"""Recommenders: training sets, registered models, champions, item indexes, user vectors and the service."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import (
    DAILY,
    FEATURE_REGISTRY,
    HOURLY,
    LAKE,
    OFFLINE,
    ONLINE,
    RECOMMENDABLE_ITEMS,
    TRAINING_RESULT,
    feature_key,
    item_index_key,
    recommender_champion_key,
    recommender_key,
    table_key,
    training_key,
    vectors_key,
)
from pipelines.features.view_names import DAILY_VIEWS, LATEST_VIEWS
from pipelines.training.assets.champions import champion_asset, service_asset
from pipelines.training.model_services import RECOMMENDATION
from pipelines.transforms.act_tables import ACT_USER_COLUMN, ITEM_TABLES

GROUP = "recommendation"
_EVENTS = [table_key(LAKE, table) for table in (*ACT_USER_COLUMN, "posts", "connectors", *ITEM_TABLES.values())]


def _training_set(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=training_key(kind),
        deps=_EVENTS,
        group_name=GROUP,
        kinds={"polars", "deltalake"},
        description=f"Implicit feedback on {kind.value}s, and their impressions; each run writes a version.",
        freshness_policy=DAILY,
    )
    def training_set(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from pipelines.training.interactions import write_interactions

        written = write_interactions(settings, kind=kind)
        rows = written.interactions
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows.height,
                "data_version": written.data_version,
                "users": rows["user_id"].n_unique(),
                "items": rows["item_id"].n_unique(),
            }
        )

    return training_set


def _model(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=recommender_key(kind),
        deps=[*map(training_key, ItemKind), RECOMMENDABLE_ITEMS, *(feature_key(OFFLINE, view) for view in DAILY_VIEWS)],
        group_name=GROUP,
        kinds={"mlflow", "numpy"},
        description=f"A recommender of {kind.value}s, evaluated on a time split and registered in MLflow.",
        freshness_policy=DAILY,
    )
    def model(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from pipelines.training.recipe import RecommenderRecipe
        from pipelines.training.recipe_runs import train_recipe

        recipe = RecommenderRecipe.of(kind)
        result = train_recipe(settings, recipe, progress=context.log.info)
        return dg.MaterializeResult(
            metadata={
                TRAINING_RESULT: dg.MetadataValue.json(asdict(result)),
                "model_version": result.model_version,
                "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
                "run": dg.MetadataValue.url(f"{settings.mlflow_tracking_uri}/#/runs/{result.run_id}"),
            }
        )

    return model


def _champion(kind: ItemKind) -> dg.AssetsDefinition:
    def promote(settings: Settings, result: dict[str, Any]) -> bool:
        from feature_repo.store import open_store
        from models.recommendation.promotion import promote
        from models.recommendation.train import TrainingResult

        with open_store(settings) as store:
            return promote(settings, TrainingResult(**(result | {"kind": kind})), store=store)

    return champion_asset(
        REGISTERED_MODEL[kind],
        group=GROUP,
        job="train_recommenders",
        promote=promote,
        deps=[FEATURE_REGISTRY],
        kinds=("mlflow", "redis", "s3"),
    )


def _item_index(kind: ItemKind) -> dg.AssetsDefinition:
    @dg.asset(
        key=item_index_key(kind),
        deps=[recommender_champion_key(kind), RECOMMENDABLE_ITEMS, *_EVENTS],
        group_name=GROUP,
        kinds={"s3"},
        description=f"The recommendable {kind.value}s with the champion's item factors.",
        freshness_policy=HOURLY,
    )
    def item_index(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        from models.recommendation.promotion import refresh_item_index
        from pipelines.training.interactions import collect_interactions, read_items

        items = read_items(settings, kind=kind, with_closed=True)
        key = refresh_item_index(
            settings,
            kind=kind,
            items=items,
            interactions=collect_interactions(settings, kind=kind),
            connectors=read_items(settings, kind=ItemKind.CONNECTOR, with_closed=True),
        )
        return dg.MaterializeResult(metadata={"key": key or "no champion yet", "items": items.filter("is_open").height})

    return item_index


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            vectors_key(kind),
            deps=[*map(recommender_champion_key, ItemKind), RECOMMENDABLE_ITEMS, *_EVENTS],
            group_name=GROUP,
            kinds={"feast", "redis"},
            description="User vectors of the champion, folded in from all interactions up to the run.",
            freshness_policy=HOURLY,
        )
        for kind in ItemKind
    ]
)
def vectors(settings: dg.ResourceParam[Settings]) -> Iterator[dg.MaterializeResult[None]]:
    """Push the user vectors of all kinds, by one fit of the response model."""
    from feature_repo.store import open_store
    from models.recommendation.promotion import refresh_all_vectors
    from pipelines.features import online_store
    from pipelines.training.interactions import collect_training_data

    at = datetime.now(UTC)
    data = {kind: collect_training_data(settings, kind=kind) for kind in ItemKind}
    with open_store(settings) as store, ExitStack() as parts:
        for kind in ItemKind:
            parts.enter_context(online_store.writing(settings, online_store.vectors_part(kind)))
        pushed = refresh_all_vectors(settings, data=data, store=store, at=at)
    for kind, users in pushed.items():
        yield dg.MaterializeResult(asset_key=vectors_key(kind), metadata={"users": users})


ASSETS = [
    *(make(kind) for kind in ItemKind for make in (_training_set, _model, _champion, _item_index)),
    vectors,
    service_asset(
        RECOMMENDATION,
        deps=[
            *(key(kind) for kind in ItemKind for key in (recommender_champion_key, item_index_key, vectors_key)),
            *(feature_key(ONLINE, view) for view in LATEST_VIEWS),
        ],
    ),
]
