"""Data in the console: assets with freshness and checks, age and drift of features; for admins."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import httpx
from fastapi import APIRouter, Request, Response

from neighborconnect.metrics import read_platform_metrics
from transactional_api.console.data_assets import DataState, data_state
from transactional_api.console.pages import page
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin

router = APIRouter(prefix=f"{PREFIX}/data", route_class=ConsoleRoute)

MAX_FEATURES: Final = 20


@router.get("")
async def data(request: Request, viewer: Admin) -> Response:
    """Show the state of assets, checks and features, as the exporter of metrics reads it."""
    settings = request.app.state.settings
    state: DataState | None = None
    with suppress(httpx.HTTPError):
        state = data_state(await read_platform_metrics(settings), most_features=MAX_FEATURES)
    return page(request, "data.html", viewer=viewer, state=state, dagster_url=settings.dagster_url.rstrip("/"))
