"""Overview of the job queue: jobs by lane and state, and failed jobs, which can be queued again.

Arguments of jobs are never returned: they may contain the text of an email.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.errors import NotFoundError

_LANES: Final = text(
    "SELECT queue_name, count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()), "
    "count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()), count(*) FILTER (WHERE status = 'doing'), "
    "count(*) FILTER (WHERE status = 'failed'), "
    "extract(epoch FROM now() - min(coalesce(scheduled_at, "
    "(SELECT min(at) FROM procrastinate_events WHERE job_id = jobs.id))) "
    "FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()))::float8 "
    "FROM procrastinate_jobs AS jobs GROUP BY queue_name ORDER BY queue_name"
)
_FAILED: Final = text(
    "SELECT id, queue_name, task_name, attempts, "
    "(SELECT max(at) FROM procrastinate_events WHERE job_id = jobs.id AND type = 'failed') "
    "FROM procrastinate_jobs AS jobs WHERE status = 'failed' ORDER BY id DESC LIMIT :limit"
)
_STATE: Final = text("SELECT status::text FROM procrastinate_jobs WHERE id = :id FOR UPDATE")
_RETRY: Final = text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)")


@dataclass(frozen=True, slots=True)
class LaneState:
    """Numbers of jobs of a lane, and the age of the oldest due job in seconds; None without one."""

    lane: str
    due: int
    scheduled: int
    running: int
    failed: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class FailedJob:
    """Job whose attempts all failed; the log of the worker has the errors as ``job.failed``."""

    id: int
    lane: str
    task: str
    attempts: int
    failed_at: datetime | None


async def lanes(session: AsyncSession) -> list[LaneState]:
    """Return the state of each lane that has jobs."""
    return [LaneState(*row) for row in (await session.execute(_LANES)).all()]


async def failed_jobs(session: AsyncSession, *, limit: int) -> list[FailedJob]:
    """Return the newest failed jobs."""
    return [FailedJob(*row) for row in (await session.execute(_FAILED, {"limit": limit})).all()]


async def retry(session: AsyncSession, *, job_id: int) -> None:
    """Queue a failed job again, now; raises ``NotFoundError`` for any other job."""
    if await session.scalar(_STATE, {"id": job_id}) != "failed":
        raise NotFoundError
    await session.execute(_RETRY, {"id": job_id})
