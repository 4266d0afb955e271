"""Requests of admins to promote or roll back a model. The pipelines claim them, make them, and report the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.models import MODELS
from transactional_api.core.db.tables import ModelChange, User
from transactional_api.core.errors import ForbiddenError, InvalidRequestError, NotFoundError, Problem
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.model_changes.schemas import (
    Action,
    ModelChangeBody,
    ModelChangeOut,
    ModelChangeResult,
    State,
)

ABANDONED_AFTER: Final = timedelta(minutes=15)
"""Time after which a claimed change without a result has failed."""
_ABANDONED: Final = "The pipelines ended without a result."


class ChangeInProgressError(Problem):
    """Another change of this model is waiting or running."""

    status, code, title = 409, "model_change_in_progress", "Another change of this model is in progress"


async def request_change(session: AsyncSession, *, viewer: Viewer, model: str, body: ModelChangeBody) -> None:
    """Store a change for the pipelines to make.

    Raises:
        ForbiddenError: the viewer is not an admin of the platform.
        NotFoundError: there is no such model.
        InvalidRequestError: a promotion without a version, or a rollback with one, which no gate would check.
        ChangeInProgressError: another change of this model is not finished.
    """
    if not viewer.is_admin:
        raise ForbiddenError("Only admins of the platform may change models")
    if model not in MODELS:
        raise NotFoundError
    if body.action is Action.PROMOTE and body.version is None:
        raise InvalidRequestError("A promotion needs a version")
    if body.action is Action.ROLLBACK and body.version is not None:
        raise InvalidRequestError("A rollback has no version: it serves the one that the champion replaced")
    await _fail_abandoned(session)
    row_id = await session.scalar(
        insert(ModelChange)
        .values(model=model, requested_by=viewer.id, **body.model_dump(mode="json"))
        .on_conflict_do_nothing()
        .returning(ModelChange.id)
    )
    if row_id is None:
        raise ChangeInProgressError


async def newest(session: AsyncSession, *, model: str, limit: int) -> Sequence[ModelChange]:
    """Return the newest requested changes of a model, the newest first."""
    statement = select(ModelChange).where(ModelChange.model == model)
    return (await session.scalars(statement.order_by(ModelChange.created_at.desc()).limit(limit))).all()


async def usernames(session: AsyncSession, *, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the usernames of the accounts that exist, by id."""
    rows = await session.execute(select(User.id, User.username).where(User.id.in_(set(ids))))
    return {row.id: row.username for row in rows}


async def claim(session: AsyncSession) -> ModelChangeOut | None:
    """Return the oldest waiting change, which is then running; None without one."""
    await _fail_abandoned(session)
    waiting = select(ModelChange.id).where(ModelChange.state == State.WAITING).order_by(ModelChange.created_at)
    row = await session.scalar(
        update(ModelChange)
        .where(ModelChange.id == waiting.limit(1).with_for_update(skip_locked=True).scalar_subquery())
        .values(state=State.RUNNING, started_at=func.now())
        .returning(ModelChange)
    )
    return None if row is None else ModelChangeOut.model_validate(row)


async def finish(session: AsyncSession, *, change_id: UUID, body: ModelChangeResult) -> None:
    """Store the result of a claimed change, also after ``ABANDONED_AFTER``; a repetition changes nothing.

    Raises:
        NotFoundError: there is no such change.
    """
    state = State.DONE if body.is_done else State.FAILED
    await session.execute(
        update(ModelChange)
        .where(ModelChange.id == change_id, or_(ModelChange.state == State.RUNNING, ModelChange.detail == _ABANDONED))
        .values(
            state=state,
            finished_at=func.now(),
            detail=body.detail,
            version=func.coalesce(body.version, ModelChange.version),
        )
    )
    if await session.scalar(select(ModelChange.id).where(ModelChange.id == change_id)) is None:
        raise NotFoundError


async def _fail_abandoned(session: AsyncSession) -> None:
    """Fail the changes whose process ended without a result."""
    await session.execute(
        update(ModelChange)
        .where(ModelChange.state == State.RUNNING, ModelChange.started_at < func.now() - ABANDONED_AFTER)
        .values(state=State.FAILED, finished_at=func.now(), detail=_ABANDONED)
    )
