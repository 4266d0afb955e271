"""Review of moderation: one case with its history, appeals with what they are about, and statistics of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.moderation import appeals
from transactional_api.community.moderation.schemas import AppealOut, AppealState, CaseOut, DecisionOut, Reason
from transactional_api.community.moderation.service import cases_out, decisions, require_platform_moderator
from transactional_api.core.db.tables import Appeal, ModerationCase, ModerationDecision, Report
from transactional_api.core.errors import NotFoundError
from transactional_api.core.moderation import CaseState, Outcome
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import Viewer

MAX_LISTED: Final = 50
_NO_VERDICT: Final = "none"
# A group that has parameters is not recognized as the same expression in both clauses.
_BY_POSITION: Final[tuple[ColumnElement[Any], ...]] = (literal_column("1"), literal_column("2"))
_AGE: Final = func.extract("epoch", func.now() - ModerationCase.created_at)
_VERDICT: Final = func.coalesce(ModerationCase.triage["verdict"].astext, _NO_VERDICT)


class ReportDetails(BaseModel):
    """Report of a case; its reporter is not disclosed."""

    model_config = ConfigDict(from_attributes=True)

    reason: Reason
    details: str
    created_at: datetime


class CaseReview(BaseModel):
    """Case with its reports, and earlier decisions about the same subject and the same owner."""

    case: CaseOut
    reports: list[ReportDetails]
    decisions: list[DecisionOut]
    owner_decision_count: int


class AppealReview(BaseModel):
    """Appeal with the decision that it contests, and the case of the decision."""

    appeal: AppealOut
    decision: DecisionOut
    case: CaseOut


@dataclass(frozen=True, slots=True)
class Count:
    """Number of rows of a group."""

    group: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """State of the queue: numbers of cases and appeals, and ages in seconds (None without any)."""

    open_cases: int
    held_cases: int
    assigned_cases: int
    own_cases: int
    open_appeals: int
    oldest_seconds: float | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Decisions of a period.

    Attributes:
        by_kind: decisions by kind of subject and outcome.
        by_verdict: decisions by verdict of the content model and outcome.
        appeals: appeals against decisions of the period, by state.
        hours_to_decision: median hours from the opening of a case to its decision; None without decisions.
    """

    by_kind: list[Count]
    by_verdict: list[Count]
    appeals: dict[str, int]
    hours_to_decision: float | None


async def get_case(session: AsyncSession, *, viewer: Viewer, case_id: UUID) -> CaseReview:
    """Return a case with its reports and earlier decisions.

    Raises:
        ForbiddenError: when the viewer is not a moderator.
        NotFoundError: when there is no such case.
    """
    require_platform_moderator(viewer)
    case = await session.get(ModerationCase, case_id)
    if case is None:
        raise NotFoundError
    reports = select(Report.reason, Report.details, Report.created_at).where(Report.case_id == case_id)
    about = decisions().where(
        ModerationCase.subject_kind == case.subject_kind, ModerationCase.subject_id == case.subject_id
    )
    newest = about.order_by(ModerationDecision.created_at.desc(), ModerationDecision.id).limit(MAX_LISTED)
    of_owner = (
        select(func.count())
        .select_from(ModerationDecision)
        .join(ModerationCase, ModerationCase.id == ModerationDecision.case_id)
        .where(ModerationCase.owner_id == case.owner_id, ModerationDecision.outcome != Outcome.KEEP)
    )
    listed = await session.execute(reports.order_by(Report.created_at.desc(), Report.id).limit(MAX_LISTED))
    return CaseReview(
        case=(await cases_out(session, [case]))[0],
        reports=[ReportDetails.model_validate(row) for row in listed.all()],
        decisions=[
            DecisionOut.model_validate(row, from_attributes=True) for row in (await session.execute(newest)).all()
        ],
        owner_decision_count=await session.scalar(of_owner) or 0 if case.owner_id is not None else 0,
    )


async def list_appeals(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[AppealReview]:
    """List the open appeals that the viewer may decide, oldest first, with what they are about."""
    listed = await appeals.list_appeals(session, viewer=viewer, page=page)
    rows = await session.execute(
        decisions().where(ModerationDecision.id.in_([one.decision_id for one in listed.items]))
    )
    decided = {row.id: DecisionOut.model_validate(row, from_attributes=True) for row in rows.all()}
    cases = await _cases(session, [decision.case_id for decision in decided.values()])
    items = [
        AppealReview(appeal=one, decision=decided[one.decision_id], case=cases[decided[one.decision_id].case_id])
        for one in listed.items
    ]
    return Page(items=items, next_cursor=listed.next_cursor)


async def _cases(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, CaseOut]:
    rows = (await session.scalars(select(ModerationCase).where(ModerationCase.id.in_(ids)))).all()
    return {case.id: case for case in await cases_out(session, rows)}


async def queue_state(session: AsyncSession, *, viewer: Viewer) -> QueueState:
    """Return the state of the queue of cases and appeals."""
    require_platform_moderator(viewer)
    appealed = select(func.count()).select_from(Appeal).where(Appeal.state == AppealState.OPEN).scalar_subquery()
    counts = select(
        func.count(),
        func.count().filter(ModerationCase.is_held),
        func.count(ModerationCase.assignee_id),
        func.count().filter(ModerationCase.assignee_id == viewer.id),
        appealed,
        func.max(_AGE),
        func.percentile_cont(0.5).within_group(_AGE),
    ).where(ModerationCase.state == CaseState.OPEN)
    open_cases, held, assigned, own, open_appeals, oldest, median = (await session.execute(counts)).one()
    return QueueState(open_cases, held, assigned, own, open_appeals, _seconds(oldest), _seconds(median))


async def outcomes(session: AsyncSession, *, viewer: Viewer, days: int) -> Outcomes:
    """Return statistics of the decisions of the last days."""
    require_platform_moderator(viewer)
    since = datetime.now(UTC) - timedelta(days=days)
    age = func.extract("epoch", ModerationDecision.created_at - ModerationCase.created_at)
    median = await session.scalar(_decided(since, func.percentile_cont(0.5).within_group(age)))
    states = (
        select(Appeal.state, func.count())
        .join(ModerationDecision, ModerationDecision.id == Appeal.decision_id)
        .where(ModerationDecision.created_at >= since)
        .group_by(Appeal.state)
    )
    rows = (await session.execute(states)).all()
    return Outcomes(
        by_kind=await _counts(session, since, ModerationCase.subject_kind),
        by_verdict=await _counts(session, since, _VERDICT),
        appeals={row[0]: row[1] for row in rows},
        hours_to_decision=None if median is None else float(median) / 3_600,
    )


async def _counts(session: AsyncSession, since: datetime, group: Any) -> list[Count]:
    statement = _decided(since, group, ModerationDecision.outcome, func.count())
    rows = await session.execute(statement.group_by(*_BY_POSITION).order_by(*_BY_POSITION))
    return [Count(*row) for row in rows.all()]


def _decided(since: datetime, *columns: Any) -> Any:
    joined = select(*columns).select_from(ModerationDecision)
    return joined.join(ModerationCase, ModerationCase.id == ModerationDecision.case_id).where(
        ModerationDecision.created_at >= since
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
