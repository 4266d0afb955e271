"""The model services as assets: made when they are told to load what is new."""

from collections.abc import Iterable

import dagster as dg

from neighborconnect.settings import Settings
from pipelines.assets.names import bento_key
from pipelines.serving import Bento, ServingError, reload


def bento_asset(bento: Bento, *, deps: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset of one model service, downstream of what it serves."""

    @dg.asset(
        key=bento_key(bento.name),
        deps=list(deps),
        group_name="serving",
        kinds={"bentoml"},
        description=f"What answers for {bento.name}; told to load what is new.",
    )
    def reloaded(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
        # One that does not run yet loads the champion when it starts.
        try:
            serving = reload(settings, bento)
        except ServingError as error:
            context.log.warning(str(error))
            return dg.MaterializeResult(metadata={"reloaded": False, "why": str(error)})
        return dg.MaterializeResult(metadata={"reloaded": True, "serving": serving})

    return reloaded
