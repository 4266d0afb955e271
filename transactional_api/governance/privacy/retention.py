"""Retention jobs: purge data past its retention, remove expired rows, and retry stalled jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, delete, func, text
from sqlalchemy.ext.asyncio import AsyncEngine

from neighborconnect.feed.eligibility import DECISION_DAYS, OPENED_DAYS
from neighborconnect.telemetry import get_logger
from transactional_api.cdc.back_pressure import wait_for_room_in
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import (
    IdempotencyKey,
    MediaDocument,
    OAuthCode,
    OneTimeToken,
    RefreshToken,
    UserSession,
)
from transactional_api.core.jobs import queue
from transactional_api.governance.privacy import exports

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Retention of one class of data: ``statement`` purges rows older than ``:age``."""

    data: str
    days: int
    statement: TextClause
    is_captured: bool = True
    """Whether each row makes an event of the outbox."""


def _policy(data: str, days: int, statement: str, *, is_captured: bool = True) -> RetentionPolicy:
    return RetentionPolicy(data, days, text(statement), is_captured)


RETENTION_POLICIES: tuple[RetentionPolicy, ...] = (
    _policy("read notifications", 180, "DELETE FROM notifications WHERE read_at < now() - :age"),
    _policy("notifications", 365, "DELETE FROM notifications WHERE created_at < now() - :age"),
    _policy(
        "text of deleted posts",
        90,
        "UPDATE posts SET content = '', title = NULL, image_url = NULL, media_ids = '[]' "
        "WHERE NOT is_active AND updated_at < now() - :age AND content <> ''",
    ),
    _policy(
        "text of deleted comments",
        90,
        "UPDATE comments SET content = '', media_ids = '[]' "
        "WHERE NOT is_active AND updated_at < now() - :age AND content <> ''",
    ),
    _policy("previews of links", 30, "DELETE FROM link_previews WHERE fetched_at < now() - :age", is_captured=False),
    _policy(
        "earlier versions of posts", 365, "DELETE FROM post_versions WHERE created_at < now() - :age", is_captured=False
    ),
    _policy(
        "feed impressions",
        30,
        "DELETE FROM item_exposures WHERE opened_at IS NULL AND shown_at < now() - :age",
        is_captured=False,
    ),
    _policy(
        "opened feed items", OPENED_DAYS, "DELETE FROM item_exposures WHERE opened_at < now() - :age", is_captured=False
    ),
    _policy(
        "decisions of feeds",
        DECISION_DAYS,
        "DELETE FROM feed_decisions WHERE created_at < now() - :age",
        is_captured=False,
    ),
    _policy("views of marketplace items", 180, "DELETE FROM marketplace_item_views WHERE created_at < now() - :age"),
    _policy(
        "captions of expired stories",
        30,
        "DELETE FROM media_captions WHERE expires_at < now() - :age",
        is_captured=False,
    ),
    _policy("log of webhooks", 30, "DELETE FROM webhook_deliveries WHERE created_at < now() - :age", is_captured=False),
    _policy(
        "failed jobs",
        14,
        "DELETE FROM procrastinate_jobs j WHERE status = 'failed' AND NOT EXISTS "
        "(SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at >= now() - :age)",
        is_captured=False,
    ),
    _policy(
        "events that Kafka rejected",
        30,
        "DELETE FROM cdc_outbox WHERE rejected IS NOT NULL AND created_at < now() - :age",
        is_captured=False,
    ),
)
"""Retention by class of data. Rows with an ``expires_at`` of their own are not listed."""


async def _no_wait() -> None:
    """Wait for nothing."""


async def purge(engine: AsyncEngine, *, wait: Callable[[], Awaitable[None]] = _no_wait) -> dict[str, int]:
    """Purge data past its retention; return the number of rows by class of data.

    ``wait`` is awaited before each class whose rows are captured.
    """
    purged: dict[str, int] = {}
    for policy in RETENTION_POLICIES:
        if policy.is_captured:
            await wait()
        async with engine.begin() as connection:
            result = await connection.execute(policy.statement, {"age": timedelta(days=policy.days)})
        purged[policy.data] = result.rowcount
    return purged


async def remove_expired_rows(engine: AsyncEngine) -> int:
    """Remove rows past their ``expires_at``; return their number."""
    removed = 0
    async with engine.begin() as connection:
        for table in (IdempotencyKey, MediaDocument, OAuthCode, OneTimeToken, RefreshToken, UserSession):
            removed += (await connection.execute(delete(table).where(table.expires_at < func.now()))).rowcount
    return removed


@queue.periodic("7 * * * *")
@queue.task("retention.remove_expired")
async def remove_expired(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Remove expired responses, tokens, sessions, media documents and data exports."""
    removed = await remove_expired_rows(context.engine) + await exports.remove_expired(context)
    log.info("retention.expired_removed", removed=removed)


@queue.periodic("37 2 * * *")
@queue.task("retention.purge_expired")
async def purge_expired(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Purge data past its retention. A full outbox fails the job, which is retried as others are."""

    async def wait() -> None:
        await asyncio.to_thread(wait_for_room_in, context.settings.database_url)

    log.info("retention.purged", **await purge(context.engine, wait=wait))


@queue.periodic("* * * * *")
@queue.task("jobs.retry_stalled")
async def retry_stalled(_context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Queue the jobs of dead workers again; a worker is dead after 30 seconds without a heartbeat."""
    for job in await queue.app.job_manager.get_stalled_jobs():
        log.warning("job.retried", job=job.id, task=job.task_name)
        await queue.app.job_manager.retry_job(job)
