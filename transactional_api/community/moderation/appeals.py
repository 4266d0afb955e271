"""Appeals against decisions, decided by a moderator other than the one who made the decision."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.moderation import reversal
from transactional_api.community.moderation.schemas import AppealDecision, AppealOut, AppealState
from transactional_api.community.moderation.service import (
    AlreadyDecidedError,
    OwnContentError,
    decisions,
    notify_owner,
    require_platform_moderator,
)
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import Appeal, ModerationCase, ModerationDecision, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.moderation import Outcome
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer


class AlreadyAppealedError(Problem):
    """Each decision can be appealed once."""

    status, code, title = 409, "already_appealed", "You have already appealed this decision"


class SameModeratorError(Problem):
    """A moderator cannot decide the appeal against their own decision."""

    status, code, title = 403, "same_moderator", "Another moderator must decide the appeal against your decision"


async def appeal_suspension(session: AsyncSession, *, user: User, statement: str) -> AppealOut:
    """Appeal the latest suspension of a user that they have not appealed yet.

    Raises:
        NotFoundError: when the user is not suspended by a decision.
        AlreadyAppealedError: when all suspensions are appealed.
    """
    if user.suspended_until is None or user.suspended_until <= datetime.now(UTC):
        raise NotFoundError
    suspensions = (
        select(ModerationDecision.id, Appeal.id.label("appeal_id"))
        .join(ModerationCase, ModerationCase.id == ModerationDecision.case_id)
        .outerjoin(Appeal, Appeal.decision_id == ModerationDecision.id)
        .where(
            ModerationCase.owner_id == user.id,
            ModerationDecision.outcome == Outcome.SUSPEND,
            or_(ModerationDecision.until.is_(None), ModerationDecision.until > func.now()),
        )
        .order_by(ModerationDecision.created_at.desc(), ModerationDecision.id)
    )
    rows = (await session.execute(suspensions)).all()
    if not rows:
        raise NotFoundError
    decision_id = next((row.id for row in rows if row.appeal_id is None), None)
    if decision_id is None:
        raise AlreadyAppealedError
    trail.acts(session, user.id)
    return await create_appeal(session, appellant_id=user.id, decision_id=decision_id, statement=statement)


async def create_appeal(session: AsyncSession, *, appellant_id: UUID, decision_id: UUID, statement: str) -> AppealOut:
    """Appeal a decision about the appellant's content.

    Raises:
        NotFoundError: when there is no such decision.
        AlreadyAppealedError: when the decision is already appealed.
    """
    own = decisions().where(
        ModerationDecision.id == decision_id,
        ModerationCase.owner_id == appellant_id,
        ModerationDecision.outcome != Outcome.KEEP,
    )
    if (await session.execute(own)).one_or_none() is None:
        raise NotFoundError
    new = upsert(Appeal).values(decision_id=decision_id, appellant_id=appellant_id, statement=statement)
    created = await session.scalar(new.on_conflict_do_nothing().returning(Appeal))
    if created is None:
        raise AlreadyAppealedError
    return AppealOut.model_validate(created, from_attributes=True)


async def list_appeals(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[AppealOut]:
    """List the open appeals that the viewer may decide, oldest first."""
    require_platform_moderator(viewer)
    statement = (
        select(Appeal)
        .join(ModerationDecision, ModerationDecision.id == Appeal.decision_id)
        .where(
            Appeal.state == AppealState.OPEN,
            ModerationDecision.moderator_id.is_distinct_from(viewer.id),
            Appeal.appellant_id != viewer.id,
        )
    )
    paged = page.select(statement, at=Appeal.created_at, row_id=Appeal.id, newest_first=False)
    rows = (await session.scalars(paged)).all()
    return page.of(rows, lambda row: AppealOut.model_validate(row, from_attributes=True))


async def decide_appeal(session: AsyncSession, *, viewer: Viewer, appeal_id: UUID, body: AppealDecision) -> AppealOut:
    """Uphold or reverse a decision, once.

    Raises:
        ForbiddenError: when the viewer is not a moderator.
        NotFoundError: when there is no such appeal.
        SameModeratorError: when the viewer made the decision.
        OwnContentError: when the appeal is the viewer's.
        AlreadyDecidedError: when it is decided.
    """
    require_platform_moderator(viewer)
    appeal = await session.get(Appeal, appeal_id, with_for_update=True)
    if appeal is None:
        raise NotFoundError
    decision = await session.get_one(ModerationDecision, appeal.decision_id)
    if decision.moderator_id == viewer.id:
        raise SameModeratorError
    if appeal.appellant_id == viewer.id:
        raise OwnContentError
    if appeal.state != AppealState.OPEN:
        raise AlreadyDecidedError
    appeal.state = AppealState.OVERTURNED if body.overturn else AppealState.UPHELD
    appeal.decided_by, appeal.decided_at = viewer.id, datetime.now(UTC)
    await session.flush()
    if body.overturn:
        await reversal.reverse(session, decision_id=decision.id)
    title = "Your appeal was granted" if body.overturn else "Your appeal was rejected"
    await notify_owner(session, appeal.appellant_id, decision.id, title, decision.rule)
    return AppealOut.model_validate(appeal, from_attributes=True)
