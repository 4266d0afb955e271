"""Vision models: pretrained networks, registered after evaluation, the champion and the two services that load it."""

import base64
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import TRAINING_RESULT, WEEKLY, champion_key, model_key
from pipelines.training.assets.champions import champion_asset, service_asset
from pipelines.training.model_services import IMAGE, VIDEO

GROUP = "vision"


@dg.asset(
    key=model_key(VISION_MODEL),
    group_name=GROUP,
    kinds={"mlflow", "onnx"},
    description="Networks for faces, labels, sensitive images and cuts, evaluated and registered in MLflow.",
    freshness_policy=WEEKLY,
)
def vision_model(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Evaluate and register a version, unless the inputs are unchanged."""
    from models.registry import fetch_artifact
    from pipelines.training.recipe import VisionRecipe
    from pipelines.training.recipe_runs import train_recipe

    result = train_recipe(settings, VisionRecipe(), progress=context.log.info)
    images = []
    for name in ("anonymized.png", "crops.png"):
        encoded = base64.b64encode(fetch_artifact(settings, result.run_id, name)).decode()
        images.append(f"![{name}](data:image/png;base64,{encoded})")
    metadata: dict[str, Any] = {
        TRAINING_RESULT: dg.MetadataValue.json(asdict(result)),
        "model_version": dg.MetadataValue.text(result.model_version),
        "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
        "images": dg.MetadataValue.md("\n\n".join(images)),
    }
    return dg.MaterializeResult(metadata=metadata)


def _promote(settings: Settings, result: dict[str, Any]) -> bool:
    from models.tracking import RunResult
    from models.vision.train import promote

    return promote(settings, RunResult(**result))


ASSETS = [
    vision_model,
    champion_asset(VISION_MODEL, group=GROUP, job="train_vision", promote=_promote),
    *(service_asset(service, deps=[champion_key(VISION_MODEL)]) for service in (IMAGE, VIDEO)),
]
