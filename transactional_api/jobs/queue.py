"""Background jobs: deferred in the transaction that causes them, run by the worker at least once.

A slice declares its jobs in its own ``jobs.py`` with ``task`` (and ``periodic``), and defers them with ``defer``.
A job's arguments are JSON; ids travel as text. It may run twice, so it looks before it acts.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Concatenate, ParamSpec

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.tasks import Task
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from transactional_api.resources import Resources

RESOURCES = "resources"


class Lane(StrEnum):
    """A queue with workers of its own, so that its jobs wait for none of another."""

    DEFAULT = "default"
    """Letters, notifications, erasures, upkeep: short jobs."""
    MODELS = "models"
    """Jobs that wait for a model's answer."""
    MEDIA = "media"
    """Jobs that decode or pack files."""
    RENDITIONS = "renditions"
    """Jobs of minutes: a video is encoded."""


class Priority(IntEnum):
    """Order of the jobs that are due in one lane; the highest first."""

    URGENT = 20
    """A person waits for it, or the law does: letters and erasures."""
    NOTICE = 10
    NORMAL = 0
    UPKEEP = -10


ATTEMPTS = 6
_RETRY = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=4)

Arguments = ParamSpec("Arguments")
Job = Callable[Concatenate[Resources, Arguments], Awaitable[None]]
JobTask = Task[Any, Any, Any]

# It writes what jobs are given into its lines, which may be a letter's words; failures are logged here.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
log = get_logger(__name__)

# The worker opens the connector over its own database; a deferring request brings its connection along.
app = App(connector=PsycopgConnector())


def task(
    name: str, *, retry: bool = True, lane: Lane = Lane.DEFAULT, priority: Priority = Priority.NORMAL
) -> Callable[[Job[Arguments]], JobTask]:
    """Declare a job under a lasting ``name`` (``noun.verb``); a failure is tried again with growing pauses.

    Args:
        name: of the job.
        retry: whether a failure is tried again.
        lane: whose workers run it.
        priority: among the jobs of the lane.
    """

    def declare(job: Job[Arguments]) -> JobTask:
        async def run(context: JobContext, *arguments: Any, **named: Any) -> None:
            try:
                await job(context.additional_context[RESOURCES], *arguments, **named)
            except Exception:
                log.exception("job.failed", task=name, job=context.job.id if context.job else None)
                raise

        declared = app.task(
            name=name,
            pass_context=True,
            retry=_RETRY if retry else False,
            queue=lane.value,
            priority=int(priority),
        )
        return declared(run)

    return declare


def periodic(cron: str) -> Callable[[JobTask], JobTask]:
    """Run a declared job at the times of ``cron`` (UTC), once whatever the number of workers.

    The job gets the planned time as ``timestamp`` (Unix seconds).
    """

    def schedule(declared: JobTask) -> JobTask:
        app.periodic(cron=cron)(declared)
        return declared

    return schedule


async def defer(
    session: AsyncSession,
    job: JobTask,
    *,
    at: datetime | None = None,
    one_at_a_time: str | None = None,
    **arguments: Any,
) -> None:
    """Queue a job if and when the session's transaction commits.

    Args:
        session: its transaction decides.
        job: what ``task`` returned.
        at: not before this time; as soon as a worker is free if None.
        one_at_a_time: jobs that share this name run one after another.
        arguments: JSON values for the job.
    """
    connection = await (await session.connection()).get_raw_connection()
    await job.configure(schedule_at=at, lock=one_at_a_time, connection=connection.driver_connection).defer_async(
        **arguments
    )
