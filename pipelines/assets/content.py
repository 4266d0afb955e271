"""The content models: what moderators decided, the registered version, the champion, what serves it, and themes."""

import base64
import io
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings
from pipelines.assets.champions import RESULT, champion_asset
from pipelines.assets.names import CATALOGUE, CHAMPIONS, MODELS, RAW, TRAINING, landed
from pipelines.assets.policies import WEEKLY
from pipelines.assets.serving import bento_asset
from pipelines.serving import CONTENT

GROUP = "content"
SEED = 20_261
FEEDBACK_KEY = dg.AssetKey([TRAINING, "moderation_feedback"])
MODEL_KEY = dg.AssetKey([MODELS, CONTENT_MODEL])
CHAMPION_KEY = dg.AssetKey([CHAMPIONS, CONTENT_MODEL])
THEMES_KEY = dg.AssetKey(["themes"])


@dg.asset(
    key=FEEDBACK_KEY,
    deps=[landed(RAW, table) for table in ("moderation_decisions", "posts", "comments")],
    group_name=GROUP,
    kinds={"postgres", "deltalake"},
    description="What moderators decided about texts, and what was taken back; a version each time.",
    freshness_policy=WEEKLY,
)
def moderation_feedback(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Keep the decisions as of now."""
    from pipelines.moderation_feedback import write

    rows, version = write(settings)
    labels = {str(name): int(number) for name, number in rows["label"].value_counts().iter_rows()}
    return dg.MaterializeResult(metadata={"dagster/row_count": rows.height, "data_version": version, "labels": labels})


@dg.asset(
    key=MODEL_KEY,
    deps=[FEEDBACK_KEY],
    group_name=GROUP,
    kinds={"mlflow", "pytorch", "onnx"},
    description="The tasks of the content service, judged for fairness and registered in MLflow.",
    freshness_policy=WEEKLY,
)
def content_model(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """Train and register, unless nothing is new."""
    from models.content.train import train
    from pipelines.moderation_feedback import read

    feedback, data_version = read(settings)
    result = train(settings, feedback=feedback, data_version=data_version, seed=SEED, say=context.log.info)
    return dg.MaterializeResult(
        metadata={
            RESULT: dg.MetadataValue.json(asdict(result)),
            "model_version": result.model_version,
            "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
        }
    )


def _release(settings: Settings, said: dict[str, Any]) -> bool:
    from models.content.train import release
    from models.tracking import RunResult

    return release(settings, RunResult(**said))


content_champion = champion_asset(CONTENT_MODEL, group=GROUP, job="train_content", release=_release)


@dg.asset(
    key=THEMES_KEY,
    deps=[CATALOGUE],
    group_name=GROUP,
    kinds={"scikitlearn", "deltalake"},
    description="What the town and each connector talk about, found in public posts, with a map of the town's.",
    freshness_policy=WEEKLY,
)
def themes(settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Find the themes and keep them."""
    from pipelines.themes import find, write

    found = find(settings)
    drawn = io.BytesIO()
    found.figure.savefig(drawn, format="png")
    picture = base64.b64encode(drawn.getvalue()).decode()
    metadata: dict[str, Any] = {
        "dagster/row_count": found.rows.height,
        "data_version": write(settings, found.rows),
        "connectors": found.rows["connector_id"].n_unique() - 1,
        "town": dg.MetadataValue.md("\n".join(f"- {one.label}: {one.texts}" for one in found.town.themes)),
        "map": dg.MetadataValue.md(f"![themes of the town](data:image/png;base64,{picture})"),
    }
    return dg.MaterializeResult(metadata=metadata)


ASSETS = [themes, moderation_feedback, content_model, content_champion, bento_asset(CONTENT, deps=[CHAMPION_KEY])]
