"""Jobs that keep the house: what has expired goes, and what a killed worker left is run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, delete, func, text
from sqlalchemy.ext.asyncio import AsyncEngine

from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import (
    IdempotencyKey,
    MediaDocument,
    OAuthCode,
    OneTimeToken,
    RefreshToken,
    UserSession,
)
from transactional_api.jobs import queue
from transactional_api.privacy import exports
from transactional_api.resources import Resources

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """How long one class of data is kept: ``statement`` ends it for what is older than ``:age``."""

    data: str
    days: int
    statement: TextClause


def _clock(data: str, days: int, statement: str) -> Clock:
    return Clock(data, days, text(statement))


CLOCKS: tuple[Clock, ...] = (
    _clock("notifications that were read", 180, "DELETE FROM notifications WHERE read_at < now() - :age"),
    _clock("notifications", 365, "DELETE FROM notifications WHERE created_at < now() - :age"),
    _clock(
        "words of posts that were deleted",
        90,
        "UPDATE posts SET content = '', title = NULL, image_url = NULL "
        "WHERE NOT is_active AND updated_at < now() - :age AND content <> ''",
    ),
    _clock(
        "words of comments that were deleted",
        90,
        "UPDATE comments SET content = '' WHERE NOT is_active AND updated_at < now() - :age AND content <> ''",
    ),
    _clock("what posts said before an edit", 365, "DELETE FROM post_versions WHERE created_at < now() - :age"),
    _clock("who looked at an item", 180, "DELETE FROM marketplace_item_views WHERE created_at < now() - :age"),
    _clock("captions of stories that expired", 30, "DELETE FROM media_captions WHERE expires_at < now() - :age"),
    _clock(
        "jobs that failed",
        14,
        "DELETE FROM procrastinate_jobs j WHERE status = 'failed' AND NOT EXISTS "
        "(SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at >= now() - :age)",
    ),
    _clock(
        "events that Kafka refused",
        30,
        "DELETE FROM cdc_outbox WHERE rejected IS NOT NULL AND created_at < now() - :age",
    ),
)
"""Retention, by class of data; what has a date of its own to expire at is not listed."""


async def turn_clocks(engine: AsyncEngine) -> dict[str, int]:
    """End what is older than its clock allows; returns how many rows by class."""
    ended: dict[str, int] = {}
    for clock in CLOCKS:
        async with engine.begin() as connection:
            result = await connection.execute(clock.statement, {"age": timedelta(days=clock.days)})
        ended[clock.data] = result.rowcount
    return ended


async def remove_expired(engine: AsyncEngine) -> int:
    """Remove every expired row; returns how many there were."""
    removed = 0
    async with engine.begin() as connection:
        for table in (IdempotencyKey, MediaDocument, OAuthCode, OneTimeToken, RefreshToken, UserSession):
            removed += (await connection.execute(delete(table).where(table.expires_at < func.now()))).rowcount
    return removed


@queue.periodic("7 * * * *")
@queue.task("house.keep")
async def keep(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time; expiry asks the clock)
    """Remove what nobody can use any more: expired answers, tokens, sessions and media documents."""
    removed = await remove_expired(resources.engine) + await exports.remove_expired(resources)
    log.info("house.kept", removed=removed)


@queue.periodic("37 2 * * *")
@queue.task("house.turn_clocks")
async def turn(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """End what is older than its clock allows."""
    log.info("clocks.turned", **await turn_clocks(resources.engine))


@queue.periodic("* * * * *")
@queue.task("jobs.take_up")
async def take_up(_resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Queue again what a worker held that was killed: half a minute without its heartbeat says so."""
    for job in await queue.app.job_manager.get_stalled_jobs():
        log.warning("job.taken_up", job=job.id, task=job.task_name)
        await queue.app.job_manager.retry_job(job)
