"""The vision models: the networks of pip packages, examined, the champion, and the two services that serve it."""

import base64
from dataclasses import asdict
from typing import Any

import dagster as dg

from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings
from pipelines.assets.champions import RESULT, champion_asset
from pipelines.assets.names import CHAMPIONS, MODELS
from pipelines.assets.policies import WEEKLY
from pipelines.assets.serving import bento_asset
from pipelines.serving import IMAGE, VIDEO

GROUP = "vision"
SEED = 20_261
MODEL_KEY = dg.AssetKey([MODELS, VISION_MODEL])
CHAMPION_KEY = dg.AssetKey([CHAMPIONS, VISION_MODEL])


@dg.asset(
    key=MODEL_KEY,
    group_name=GROUP,
    kinds={"mlflow", "onnx"},
    description="The networks for faces, labels, delicate pictures and cuts, examined and registered in MLflow.",
    freshness_policy=WEEKLY,
)
def vision_model(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Examine and register, unless nothing is new."""
    from models.registry import fetch_artifact
    from models.vision.train import train

    result = train(settings, seed=SEED, say=context.log.info)
    shown = []
    for name in ("hidden.png", "crops.png"):
        picture = base64.b64encode(fetch_artifact(settings, result.run_id, name)).decode()
        shown.append(f"![{name}](data:image/png;base64,{picture})")
    metadata: dict[str, Any] = {
        RESULT: dg.MetadataValue.json(asdict(result)),
        "model_version": dg.MetadataValue.text(result.model_version),
        "gate": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in result.reasons)),
        "pictures": dg.MetadataValue.md("\n\n".join(shown)),
    }
    return dg.MaterializeResult(metadata=metadata)


def _release(settings: Settings, said: dict[str, Any]) -> bool:
    from models.tracking import RunResult
    from models.vision.train import release

    return release(settings, RunResult(**said))


vision_champion = champion_asset(VISION_MODEL, group=GROUP, job="train_vision", release=_release)

ASSETS = [vision_model, vision_champion, *(bento_asset(bento, deps=[CHAMPION_KEY]) for bento in (IMAGE, VIDEO))]
