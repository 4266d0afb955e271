"""Health of the platform in the console: services, workers, outbox, jobs and disk; for admins."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from transactional_api.cdc import outbox_state as outbox
from transactional_api.console import probes
from transactional_api.console.pages import page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin
from transactional_api.core.db.session import SessionDep
from transactional_api.core.http.health import ready
from transactional_api.core.jobs import overview as jobs

router = APIRouter(prefix=f"{PREFIX}/health", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/health"
MAX_LISTED: Final = 50
_RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("")
async def health(request: Request, session: SessionDep, viewer: Admin) -> Response:
    """Show the state of services, workers, queues and disk."""
    services = await probes.probe_services(request.app.state.settings)
    workers, disk = await asyncio.to_thread(lambda: (probes.worker_reports(), probes.disk()))
    return page(
        request,
        "health.html",
        viewer=viewer,
        readiness=await ready(request),
        services=services,
        workers=workers,
        disk=disk,
        versions=await probes.versions(session),
        outbox=await outbox.outbox_state(session),
        rejected=await outbox.rejected_messages(session, limit=MAX_LISTED),
        lanes=await jobs.lanes(session),
        failed=await jobs.failed_jobs(session, limit=MAX_LISTED),
        max_listed=MAX_LISTED,
        counted=outbox.COUNTED,
    )


@router.post("/jobs/{job_id}/retry")
async def retry_job(session: SessionDep, _viewer: Admin, job_id: _RowId) -> Response:
    """Queue a failed job again."""
    await jobs.retry(session, job_id=job_id)
    return redirect(HOME)


@router.post("/outbox/{message_id}/replay")
async def replay_message(session: SessionDep, _viewer: Admin, message_id: _RowId) -> Response:
    """Let the relay publish a rejected message again."""
    await outbox.publish_again(session, message_id=message_id)
    return redirect(HOME)
