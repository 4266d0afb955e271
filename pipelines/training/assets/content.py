"""Content models: moderation feedback, registered model, champion and service; and the topics of public posts."""

import base64
import io
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import (
    RAW,
    RECOMMENDABLE_ITEMS,
    TRAINING,
    TRAINING_RESULT,
    WEEKLY,
    champion_key,
    model_key,
    table_key,
)
from pipelines.training.assets.champions import champion_asset, service_asset
from pipelines.training.model_services import CONTENT

GROUP = "content"
FEEDBACK_KEY = dg.AssetKey([TRAINING, "moderation_feedback"])
THEMES_KEY = dg.AssetKey(["themes"])


@dg.asset(
    key=FEEDBACK_KEY,
    deps=[table_key(RAW, table) for table in ("moderation_decisions", "posts", "comments")],
    group_name=GROUP,
    kinds={"postgres", "deltalake"},
    description="Moderators' decisions on texts, including reversed ones; each run writes a version.",
    freshness_policy=WEEKLY,
)
def moderation_feedback(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Write the current decisions as the next version."""
    from pipelines.training.moderation_feedback import write

    rows, version = write(settings)
    labels = {str(name): int(count) for name, count in rows["label"].value_counts().iter_rows()}
    return dg.MaterializeResult(metadata={"dagster/row_count": rows.height, "data_version": version, "labels": labels})


@dg.asset(
    key=model_key(CONTENT_MODEL),
    deps=[FEEDBACK_KEY],
    group_name=GROUP,
    kinds={"mlflow", "pytorch", "onnx"},
    description="The classifiers of the content service, evaluated for fairness and registered in MLflow.",
    freshness_policy=WEEKLY,
)
def content_model(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """Train and register a version, unless the inputs are unchanged."""
    from pipelines.training.recipe import ContentRecipe
    from pipelines.training.recipe_runs import train_recipe

    result = train_recipe(settings, ContentRecipe(), progress=context.log.info)
    return dg.MaterializeResult(
        metadata={
            TRAINING_RESULT: dg.MetadataValue.json(asdict(result)),
            "model_version": result.model_version,
            "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
        }
    )


def _promote(settings: Settings, result: dict[str, Any]) -> bool:
    from models.content.train import promote
    from models.tracking import RunResult

    return promote(settings, RunResult(**result))


@dg.asset(
    key=THEMES_KEY,
    deps=[RECOMMENDABLE_ITEMS],
    group_name=GROUP,
    kinds={"scikitlearn", "deltalake"},
    description="Topics of the public posts, overall and by connector, with a map of the overall topics.",
    freshness_policy=WEEKLY,
)
def themes(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Model the topics and write them as the next version."""
    from pipelines.training.themes import model_topics, write

    topics = model_topics(settings)
    image = io.BytesIO()
    topics.figure.savefig(image, format="png")
    encoded = base64.b64encode(image.getvalue()).decode()
    metadata: dict[str, Any] = {
        "dagster/row_count": topics.rows.height,
        "data_version": write(settings, topics.rows),
        "connectors": topics.rows["connector_id"].n_unique() - 1,
        "overall": dg.MetadataValue.md("\n".join(f"- {topic.label}: {topic.texts}" for topic in topics.overall.themes)),
        "map": dg.MetadataValue.md(f"![overall topics](data:image/png;base64,{encoded})"),
    }
    return dg.MaterializeResult(metadata=metadata)


ASSETS = [
    themes,
    moderation_feedback,
    content_model,
    champion_asset(CONTENT_MODEL, group=GROUP, job="train_content", promote=_promote),
    service_asset(CONTENT, deps=[champion_key(CONTENT_MODEL)]),
]
