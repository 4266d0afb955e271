"""Appeals against decisions: the owner says why one is wrong, and another moderator looks at it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.audit import trail
from transactional_api.auth import Viewer
from transactional_api.db.tables import Appeal, ModerationCase, ModerationDecision, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.moderation import jobs
from transactional_api.moderation.schemas import AppealDecision, AppealOut, AppealState, Outcome
from transactional_api.moderation.service import DecidedError, OwnSubjectError, check_moderates, decisions, tell
from transactional_api.paging import Page, PageRequest


class AppealedError(Problem):
    """There is one appeal a decision."""

    status, code, title = 409, "already_appealed", "You have appealed against this already"


class SameModeratorError(Problem):
    """Whoever decided does not decide the appeal."""

    status, code, title = 403, "same_moderator", "Another moderator decides the appeal against your decision"


async def appeal_suspension(session: AsyncSession, *, user: User, words: str) -> AppealOut:
    """Appeal against what a person is suspended for, the latest first that they did not appeal against.

    Raises:
        NotFoundError: when they are not suspended by a decision.
        AppealedError: when they appealed against all of them.
    """
    if user.suspended_until is None or user.suspended_until <= datetime.now(UTC):
        raise NotFoundError
    statement = (
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
    found = (await session.execute(statement)).all()
    if not found:
        raise NotFoundError
    decision_id = next((row.id for row in found if row.appeal_id is None), None)
    if decision_id is None:
        raise AppealedError
    trail.acts(session, user.id)
    return await appeal(session, appellant_id=user.id, decision_id=decision_id, words=words)


async def appeal(session: AsyncSession, *, appellant_id: UUID, decision_id: UUID, words: str) -> AppealOut:
    """Appeal against a decision about something of the appellant's.

    Raises:
        NotFoundError: when there is none.
        AppealedError: when they appealed before.
    """
    mine = decisions().where(
        ModerationDecision.id == decision_id,
        ModerationCase.owner_id == appellant_id,
        ModerationDecision.outcome != Outcome.KEEP,
    )
    if (await session.execute(mine)).one_or_none() is None:
        raise NotFoundError
    new = upsert(Appeal).values(decision_id=decision_id, appellant_id=appellant_id, words=words)
    made = await session.scalar(new.on_conflict_do_nothing().returning(Appeal))
    if made is None:
        raise AppealedError
    return AppealOut.model_validate(made, from_attributes=True)


async def appeals(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[AppealOut]:
    """List the open appeals that the viewer may decide, the oldest first."""
    check_moderates(viewer)
    statement = (
        select(Appeal)
        .join(ModerationDecision, ModerationDecision.id == Appeal.decision_id)
        .where(
            Appeal.state == AppealState.OPEN,
            ModerationDecision.moderator_id.is_distinct_from(viewer.id),
            Appeal.appellant_id != viewer.id,
        )
    )
    asked = page.select(statement, at=Appeal.created_at, row_id=Appeal.id, newest_first=False)
    rows = (await session.scalars(asked)).all()
    return page.of(rows, lambda row: AppealOut.model_validate(row, from_attributes=True))


async def decide_appeal(session: AsyncSession, *, viewer: Viewer, appeal_id: UUID, body: AppealDecision) -> AppealOut:
    """Uphold a decision or take it back, once.

    Raises:
        ForbiddenError: for anyone but a moderator.
        NotFoundError: when there is no such appeal.
        SameModeratorError: when the viewer made the decision.
        OwnSubjectError: when the appeal is the viewer's.
        DecidedError: when it is decided.
    """
    check_moderates(viewer)
    asked = await session.get(Appeal, appeal_id, with_for_update=True)
    if asked is None:
        raise NotFoundError
    decision = await session.get_one(ModerationDecision, asked.decision_id)
    if decision.moderator_id == viewer.id:
        raise SameModeratorError
    if asked.appellant_id == viewer.id:
        raise OwnSubjectError
    if asked.state != AppealState.OPEN:
        raise DecidedError
    asked.state = AppealState.OVERTURNED if body.overturn else AppealState.UPHELD
    asked.decided_by, asked.decided_at = viewer.id, datetime.now(UTC)
    await session.flush()
    if body.overturn:
        await jobs.undo(session, decision_id=decision.id)
    title = "Your appeal was granted" if body.overturn else "The decision stays after your appeal"
    await tell(session, asked.appellant_id, decision.id, title, decision.rule)
    return AppealOut.model_validate(asked, from_attributes=True)
