"""The alias that a model service follows, as an asset: moved when the training before it says so."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.assets.names import CHAMPIONS, MODELS

RESULT = "training_result"
"""Under which a model's asset says what its training came to."""

Release = Callable[[Settings, dict[str, Any]], bool]


def champion_asset(name: str, *, group: str, job: str, release: Release) -> dg.AssetsDefinition:
    """Return the champion of one registered model.

    Args:
        name: of the registered model.
        group: of the asset.
        job: that trains it, for who has not run it.
        release: is given what the training said, and returns whether it was promoted.
    """
    model_key = dg.AssetKey([MODELS, name])

    @dg.asset(
        key=dg.AssetKey([CHAMPIONS, name]),
        deps=[model_key],
        group_name=group,
        kinds={"mlflow"},
        description=f"The alias that the {name} service follows.",
    )
    def champion(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        event = context.instance.get_latest_materialization_event(model_key)
        if event is None or event.asset_materialization is None:
            raise dg.Failure(f"{name} has not been trained yet: run {job}.")
        said = json.loads(json.dumps(event.asset_materialization.metadata[RESULT].value))
        promoted = release(settings, said | {"reasons": tuple(said["reasons"])})
        return dg.MaterializeResult(metadata={"candidate": said["model_version"], "promoted": promoted})

    return champion
