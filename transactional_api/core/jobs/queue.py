"""Background jobs: deferred in the transaction that causes them, run by the worker at least once.

A slice declares its jobs with ``task`` (and ``periodic``) and defers them with ``defer``. Where a lower layer defers a
job that a higher one runs, the lower layer declares a ``JobReference`` and the higher one ``handler``s it.
Arguments of a job are JSON; ids travel as text. A job may run twice, so it checks before it acts.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Concatenate, ParamSpec

from opentelemetry.trace import SpanKind
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.jobs import JobDeferrer
from procrastinate.tasks import Task
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import get_logger
from neighborconnect.tracing.provider import start_trace
from transactional_api.core.app_context import AppContext

APP_CONTEXT = "resources"


class Lane(StrEnum):
    """Queue with separate workers, so that its jobs do not wait for those of other lanes."""

    DEFAULT = "default"
    """Short jobs: emails, notifications, erasures, maintenance."""
    MODELS = "models"
    """Jobs that wait for a model service."""
    MEDIA = "media"
    """Jobs that decode or compress files."""
    RENDITIONS = "renditions"
    """Jobs that take minutes, such as video encoding."""
    WEBHOOKS = "webhooks"
    """Jobs that wait for servers of third-party apps."""
    PREVIEWS = "previews"
    """Jobs that wait for pages that texts link to."""


class Priority(IntEnum):
    """Priority of due jobs in a lane; the highest runs first."""

    URGENT = 20
    """Emails that a user waits for, and erasures, which have a legal deadline."""
    NOTICE = 10
    NORMAL = 0
    UPKEEP = -10


ATTEMPTS = 6
_TRACEPARENT = text("SELECT traceparent FROM procrastinate_jobs WHERE id = :id")
_RETRY = RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=4)

Arguments = ParamSpec("Arguments")
Job = Callable[Concatenate[AppContext, Arguments], Awaitable[None]]
JobTask = Task[Any, Any, Any]

# Procrastinate logs arguments of jobs, which may contain the text of an email; failures are logged here instead.
logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
log = get_logger(__name__)

# The worker opens its own connector; a deferring request passes its own connection.
app = App(connector=PsycopgConnector())


def task(
    name: str, *, retry: bool = True, lane: Lane = Lane.DEFAULT, priority: Priority = Priority.NORMAL
) -> Callable[[Job[Arguments]], JobTask]:
    """Declare a job under a stable ``name`` (``noun.verb``); failures are retried with exponential backoff.

    Args:
        name: name of the job, which queued jobs store.
        retry: whether failures are retried.
        lane: lane that runs the job.
        priority: priority within the lane.
    """

    def declare(job: Job[Arguments]) -> JobTask:
        async def run(context: JobContext, *arguments: Any, **named: Any) -> None:
            resources: AppContext = context.additional_context[APP_CONTEXT]
            traceparent = await _traceparent(resources, context)
            trace = start_trace(traceparent, name=f"job {name}", kind=SpanKind.CONSUMER)
            trace.span.set_attribute("neighborconnect.job.lane", lane.value)
            try:
                await job(resources, *arguments, **named)
            except Exception as error:
                log.exception("job.failed", task=name, job=context.job.id if context.job else None)
                trace.fail(error)
                raise
            finally:
                trace.end()

        declared = app.task(
            name=name,
            pass_context=True,
            retry=_RETRY if retry else False,
            queue=lane.value,
            priority=int(priority),
        )
        return declared(run)

    return declare


async def _traceparent(resources: AppContext, context: JobContext) -> str | None:
    """Return the trace of the transaction that queued a job; None for a periodic one, or if it cannot be read."""
    if context.job is None or context.job.id is None:
        return None
    try:
        async with resources.engine.connect() as connection:
            traceparent: str | None = await connection.scalar(_TRACEPARENT, {"id": context.job.id})
    except SQLAlchemyError as error:
        # The job itself fails, and is logged, if it needs the database.
        log.warning("job.trace_unknown", task=context.job.task_name, error=type(error).__name__)
        return None
    return traceparent


@dataclass(frozen=True, slots=True)
class JobReference:
    """A job that another module implements: its stable name, lane and priority. ``handler`` binds the function."""

    name: str
    lane: Lane = Lane.DEFAULT
    priority: Priority = Priority.NORMAL

    def configure(self, **options: Any) -> JobDeferrer:
        """Return the deferrer of the job; the options are those of ``Task.configure``."""
        return app.configure_task(self.name, queue=self.lane.value, priority=int(self.priority), **options)


def handler(reference: JobReference, *, retry: bool = True) -> Callable[[Job[Arguments]], JobTask]:
    """Declare the function that runs the job of a ``JobReference``."""
    return task(reference.name, retry=retry, lane=reference.lane, priority=reference.priority)


def periodic(cron: str) -> Callable[[JobTask], JobTask]:
    """Run a declared job at the times of ``cron`` (UTC), once regardless of the number of workers.

    The job receives the scheduled time as ``timestamp`` (Unix seconds).
    """

    def schedule(declared: JobTask) -> JobTask:
        app.periodic(cron=cron)(declared)
        return declared

    return schedule


async def defer(
    session: AsyncSession,
    job: JobTask | JobReference,
    *,
    at: datetime | None = None,
    one_at_a_time: str | None = None,
    **arguments: Any,
) -> None:
    """Queue a job when the session's transaction commits.

    Args:
        session: session whose transaction includes the job.
        job: return value of ``task``, or the reference of a job of another module.
        at: earliest time; None for immediately.
        one_at_a_time: lock name; jobs with the same name run one after another.
        arguments: JSON arguments of the job.
    """
    connection = await (await session.connection()).get_raw_connection()
    await job.configure(schedule_at=at, lock=one_at_a_time, connection=connection.driver_connection).defer_async(
        **arguments
    )
