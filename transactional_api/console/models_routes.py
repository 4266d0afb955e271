"""Models in the console: what is served, since when, and the versions with their metrics; for admins."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from fastapi import APIRouter, Request, Response

from transactional_api.console import model_registry
from transactional_api.console.model_registry import Model, RegistryUnavailableError
from transactional_api.console.pages import page
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin

router = APIRouter(prefix=f"{PREFIX}/models", route_class=ConsoleRoute)

MAX_METRICS: Final = 60


@router.get("")
async def models(request: Request, viewer: Admin) -> Response:
    """Show the champion of each model."""
    listed: list[Model] | None = None
    with suppress(RegistryUnavailableError):
        listed = await model_registry.champions(request.app.state.settings)
    return page(request, "models/list.html", viewer=viewer, models=listed)


@router.get("/{name}")
async def model(request: Request, viewer: Admin, name: str) -> Response:
    """Show the versions of a model, with their metrics next to those of the champion."""
    try:
        found = await model_registry.model(request.app.state.settings, name)
    except RegistryUnavailableError:
        return page(request, "models/list.html", viewer=viewer, models=None)
    shown = found.versions[:3]
    if found.champion is not None and found.champion not in shown:
        shown = [*shown[:2], found.champion]
    names = sorted({metric for version in shown for metric in version.metrics})
    return page(
        request,
        "models/model.html",
        viewer=viewer,
        model=found,
        compared=shown,
        metric_names=names[:MAX_METRICS],
        hidden_metrics=max(0, len(names) - MAX_METRICS),
        mlflow_url=request.app.state.settings.mlflow_tracking_uri,
    )
