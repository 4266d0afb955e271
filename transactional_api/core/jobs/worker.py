"""Worker of the job queue: runs jobs until it is stopped; jobs of a killed worker are retried."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector

from neighborconnect.contracts.health import report_health
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext, open_app_context
from transactional_api.core.jobs.queue import APP_CONTEXT, Lane, app

NAME = "jobs"
CONCURRENCY = 8
LANES = {
    Lane.DEFAULT: CONCURRENCY,
    Lane.MODELS: 4,
    Lane.MEDIA: 2,
    Lane.RENDITIONS: 2,
    Lane.WEBHOOKS: 8,
    Lane.PREVIEWS: 2,
}
"""Concurrent jobs by lane."""
HEALTH_SECONDS = 2.0
GRACE_SECONDS = 10.0

log = get_logger(__name__)


async def run_due(context: AppContext) -> None:
    """Run all due jobs one after another, and return when none is left."""
    with app.replace_connector(_connector(context.settings)) as bound:
        async with bound.open_async():
            while await _any_due(bound):  # A job may queue another one.
                await bound.run_worker_async(
                    wait=False,
                    concurrency=1,
                    listen_notify=False,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    additional_context={APP_CONTEXT: context},
                )


async def run(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; running jobs get ten seconds to finish.

    Raises:
        ExceptionGroup: when the worker of a lane fails, for example when PostgreSQL restarts. The other lanes stop
            too, so that the process exits and is restarted, instead of running without a lane.
    """
    async with open_app_context(settings) as context:
        with app.replace_connector(_connector(settings)) as bound:
            async with bound.open_async():
                log.info("jobs.started", tasks=sorted(app.tasks))
                health = asyncio.create_task(_report_health_periodically())
                working = asyncio.create_task(_work_all(bound, context))
                loop = asyncio.get_running_loop()
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, working.cancel)
                try:
                    with suppress(asyncio.CancelledError):
                        await working
                finally:
                    health.cancel()


async def _work_all(bound: App, context: AppContext) -> None:
    async with asyncio.TaskGroup() as lanes:
        for lane in LANES:
            lanes.create_task(_work(bound, context, lane))


async def _work(bound: App, context: AppContext, lane: Lane) -> None:
    await bound.run_worker_async(
        queues=[lane.value],
        concurrency=LANES[lane],
        # Arguments may contain the text of an email and must not outlive it.
        delete_jobs="successful",
        install_signal_handlers=False,
        shutdown_graceful_timeout=GRACE_SECONDS,
        additional_context={APP_CONTEXT: context},
    )


async def _any_due(bound: App) -> bool:
    now = datetime.now(UTC)
    waiting = await bound.job_manager.list_jobs_async(status="todo")
    return any(job.scheduled_at is None or job.scheduled_at <= now for job in waiting)


def _connector(settings: Settings) -> PsycopgConnector:
    return PsycopgConnector(conninfo=settings.database_url, min_size=1, max_size=8)


async def _report_health_periodically() -> None:
    while True:
        report_health(NAME, ready=True)
        await asyncio.sleep(HEALTH_SECONDS)
