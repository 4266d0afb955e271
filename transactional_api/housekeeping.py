"""Jobs that keep the house: what has expired goes, and what a killed worker left is run again."""

from __future__ import annotations

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncEngine

from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import IdempotencyKey, MediaDocument, OneTimeToken, RefreshToken, UserSession
from transactional_api.jobs import queue
from transactional_api.resources import Resources

log = get_logger(__name__)


async def remove_expired(engine: AsyncEngine) -> int:
    """Remove every expired row; returns how many there were."""
    removed = 0
    async with engine.begin() as connection:
        for table in (IdempotencyKey, MediaDocument, OneTimeToken, RefreshToken, UserSession):
            removed += (await connection.execute(delete(table).where(table.expires_at < func.now()))).rowcount
    return removed


@queue.periodic("7 * * * *")
@queue.task("house.keep")
async def keep(resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time; expiry asks the clock)
    """Remove what nobody can use any more: expired answers, tokens, sessions and media documents."""
    log.info("house.kept", removed=await remove_expired(resources.engine))


@queue.periodic("* * * * *")
@queue.task("jobs.take_up")
async def take_up(_resources: Resources, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Queue again what a worker held that was killed: half a minute without its heartbeat says so."""
    for job in await queue.app.job_manager.get_stalled_jobs():
        log.warning("job.taken_up", job=job.id, task=job.task_name)
        await queue.app.job_manager.retry_job(job)
