"""Champion aliases and model services as assets."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.asset_keys import TRAINING_RESULT, champion_key, model_key, service_key
from pipelines.training.model_services import ModelService, ServiceError, reload

Promote = Callable[[Settings, dict[str, Any]], bool]


def champion_asset(
    name: str,
    *,
    group: str,
    job: str,
    promote: Promote,
    deps: Iterable[dg.AssetKey] = (),
    kinds: Iterable[str] = ("mlflow",),
) -> dg.AssetsDefinition:
    """Return the asset of the champion alias of one registered model.

    Args:
        name: name of the registered model.
        group: asset group.
        job: job that trains the model, for the error message if it has not run yet.
        promote: moves the alias if the training result passed the gate; returns whether it did.
        deps: further upstream assets besides the model.
        kinds: kinds of the asset.
    """

    @dg.asset(
        key=champion_key(name),
        deps=[model_key(name), *deps],
        group_name=group,
        kinds=set(kinds),
        description=f"The version of {name} that serving loads; it moves after its artifacts are written.",
    )
    def champion(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        result = _latest_result(context.instance, name, job=job)
        promoted = promote(settings, result)
        return dg.MaterializeResult(metadata={"candidate": result["model_version"], "promoted": promoted})

    return champion


def _latest_result(instance: dg.DagsterInstance, name: str, *, job: str) -> dict[str, Any]:
    """Return the training result in the metadata of the model's last materialization, which may be of another run."""
    event = instance.get_latest_materialization_event(model_key(name))
    if event is None or event.asset_materialization is None:
        raise dg.Failure(f"{name} has not been trained yet: run the job {job}.")
    result: dict[str, Any] = json.loads(json.dumps(event.asset_materialization.metadata[TRAINING_RESULT].value))
    return result | {"reasons": tuple(result["reasons"])}


def service_asset(service: ModelService, *, deps: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset of one model service, downstream of everything that it loads."""

    @dg.asset(
        key=service_key(service.name),
        deps=list(deps),
        group_name="serving",
        kinds={"bentoml"},
        description=f"The {service.name} service; materialized when it reloads.",
    )
    def reloaded(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        # A service that is not running loads the champion when it starts.
        try:
            serving = reload(settings, service)
        except ServiceError as error:
            context.log.warning(str(error))
            return dg.MaterializeResult(metadata={"reloaded": False, "reason": str(error)})
        return dg.MaterializeResult(metadata={"reloaded": True, "serving": serving})

    return reloaded
