"""Traces in the console: what requests did in each process, from the local store of spans; for admins."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from neighborconnect.settings import Settings
from neighborconnect.tracing.local_store import read_spans
from neighborconnect.tracing.stored_traces import StoredTrace, find, group
from transactional_api.console.pages import page
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin
from transactional_api.core.errors import NotFoundError

router = APIRouter(prefix=f"{PREFIX}/traces", route_class=ConsoleRoute)

MAX_LISTED: Final = 50
# Parsing occupies this process, which serves requests meanwhile; the command line reads everything.
MAX_BYTES: Final = 4 * 1024 * 1024


class Order(StrEnum):
    """Order of the list."""

    NEWEST = "newest"
    SLOWEST = "slowest"
    FAILED = "failed"


async def _traces(settings: Settings) -> list[StoredTrace] | None:
    """Return the newest traces of the local store; None where spans go elsewhere."""
    folder = settings.traces_folder
    if folder is None or settings.otel_exporter_otlp_endpoint:
        return None
    return await asyncio.to_thread(lambda: group(read_spans(folder, max_bytes=MAX_BYTES)))


@router.get("")
async def traces(request: Request, viewer: Admin, order: Annotated[Order, Query()] = Order.NEWEST) -> Response:
    """Show the newest traces, the slowest of them, or those with a failed span."""
    stored = await _traces(request.app.state.settings)
    listed = stored or []
    if order is Order.SLOWEST:
        listed = sorted(listed, key=lambda trace: trace.milliseconds, reverse=True)
    elif order is Order.FAILED:
        listed = [trace for trace in listed if trace.errors]
    return page(
        request,
        "traces/list.html",
        viewer=viewer,
        traces=listed[:MAX_LISTED],
        is_local=stored is not None,
        order=order,
        orders=list(Order),
    )


@router.get("/{trace_id}")
async def trace(
    request: Request, viewer: Admin, trace_id: Annotated[str, Path(pattern=r"^[0-9a-f]{8,32}$")]
) -> Response:
    """Show the spans of one trace as a tree; 404 for one that is not stored."""
    found = find(await _traces(request.app.state.settings) or [], trace_id)
    if found is None:
        raise NotFoundError
    return page(request, "traces/trace.html", viewer=viewer, trace=found)
