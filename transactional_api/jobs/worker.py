"""The worker: runs queued jobs until it is told to stop; what a killed worker left is taken up again."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector

from neighborconnect.contracts.health import report_health
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.jobs import registry
from transactional_api.jobs.queue import RESOURCES, Lane, app
from transactional_api.resources import Resources, open_resources

NAME = "jobs"
CONCURRENCY = 8
LANES = {Lane.DEFAULT: CONCURRENCY, Lane.MODELS: 4, Lane.MEDIA: 2, Lane.RENDITIONS: 2}
"""Jobs of each lane that run at once."""
HEALTH_SECONDS = 2.0
GRACE_SECONDS = 10.0

log = get_logger(__name__)


async def run_due(resources: Resources) -> None:
    """Run every job that is due, and return when none is left."""
    with app.replace_connector(_connector(resources.settings)) as bound:
        async with bound.open_async():
            while await _any_due(bound):  # A job may queue another one.
                await bound.run_worker_async(
                    wait=False,
                    concurrency=CONCURRENCY,
                    listen_notify=False,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    additional_context={RESOURCES: resources},
                )


async def run(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; jobs under way get ten seconds to end.

    Raises:
        ExceptionGroup: when the worker of a lane fails, as it does when PostgreSQL restarts. The others end with it, so
            that the process ends and is started again instead of running without a lane.
    """
    async with open_resources(settings) as resources:
        with app.replace_connector(_connector(settings)) as bound:
            async with bound.open_async():
                log.info("jobs.started", modules=[module.__name__ for module in registry.JOBS])
                health = asyncio.create_task(_tell_health())
                working = asyncio.create_task(_work_all(bound, resources))
                loop = asyncio.get_running_loop()
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, working.cancel)
                try:
                    with suppress(asyncio.CancelledError):
                        await working
                finally:
                    health.cancel()


async def _work_all(bound: App, resources: Resources) -> None:
    async with asyncio.TaskGroup() as lanes:
        for lane in LANES:
            lanes.create_task(_work(bound, resources, lane))


async def _work(bound: App, resources: Resources, lane: Lane) -> None:
    await bound.run_worker_async(
        queues=[lane.value],
        concurrency=LANES[lane],
        # A job's arguments may hold a letter's words; they need not outlive the letter.
        delete_jobs="successful",
        install_signal_handlers=False,
        shutdown_graceful_timeout=GRACE_SECONDS,
        additional_context={RESOURCES: resources},
    )


async def _any_due(bound: App) -> bool:
    now = datetime.now(UTC)
    waiting = await bound.job_manager.list_jobs_async(status="todo")
    return any(job.scheduled_at is None or job.scheduled_at <= now for job in waiting)


def _connector(settings: Settings) -> PsycopgConnector:
    return PsycopgConnector(conninfo=settings.database_url, min_size=1, max_size=8)


async def _tell_health() -> None:
    while True:
        report_health(NAME, ready=True)
        await asyncio.sleep(HEALTH_SECONDS)
