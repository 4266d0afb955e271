"""Reports become cases, and moderators decide them, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.auth import FOREVER, STAFF_ROLES, Viewer
from transactional_api.db.tables import ModerationCase, ModerationDecision, Report, User
from transactional_api.db.tables.moderation import OPEN_CASES
from transactional_api.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.jobs import queue
from transactional_api.moderation import jobs
from transactional_api.moderation.schemas import (
    CaseOut,
    CaseState,
    DecisionOut,
    LogEntry,
    NewDecision,
    NewReport,
    Outcome,
    Reason,
    ReportOut,
    SubjectKind,
)
from transactional_api.moderation.subjects import MAX_WORDS, SUBJECTS
from transactional_api.notifications.channels import NoticeKind
from transactional_api.notifications.notice import Notice, notify
from transactional_api.paging import Page, PageRequest


class OwnSubjectError(Problem):
    """One does not report, or judge, what is one's own."""

    status, code, title = 409, "own_subject", "This is your own"


class DecidedError(Problem):
    """The case or appeal is decided."""

    status, code, title = 409, "already_decided", "This is decided already"


class CannotHideError(Problem):
    """People and messages are not hidden; suspend who it is about."""

    status, code, title = 409, "cannot_be_hidden", "This cannot be hidden; suspend its owner or keep it"


class NobodysError(Problem):
    """There is nobody to suspend."""

    status, code, title = 409, "nobodys", "This is nobody's; hide or remove it"


async def report(session: AsyncSession, *, viewer: Viewer, body: NewReport) -> ReportOut:
    """Report something; the same thing twice is one report.

    Raises:
        NotFoundError: when the viewer may not see it.
        OwnSubjectError: when it is theirs.
    """
    found = await SUBJECTS[body.subject_kind].find(session, viewer=viewer, subject_id=body.subject_id)
    if found is None:
        raise NotFoundError
    if found.owner_id == viewer.id:
        raise OwnSubjectError
    case = upsert(ModerationCase).values(
        subject_kind=body.subject_kind,
        subject_id=body.subject_id,
        owner_id=found.owner_id,
        words=found.words[:MAX_WORDS],
    )
    # Touching the open case holds it, so that nobody decides it before the report is in it.
    held = case.on_conflict_do_update(
        index_elements=["subject_kind", "subject_id"],
        index_where=OPEN_CASES,
        set_={"state": CaseState.OPEN},
    )
    case_id = (await session.execute(held.returning(ModerationCase.id))).scalar_one()
    mine = upsert(Report).values(case_id=case_id, reporter_id=viewer.id, reason=body.reason, words=body.words)
    added = await session.scalar(mine.on_conflict_do_nothing().returning(Report.id))
    if added is not None:
        counted = update(ModerationCase).where(ModerationCase.id == case_id)
        reports = await session.scalar(
            counted.values(reports=ModerationCase.reports + 1).returning(ModerationCase.reports)
        )
        if reports == 1:
            await queue.defer(session, jobs.triage, case_id=str(case_id))
    row = (await session.execute(_reports_of(viewer).where(Report.case_id == case_id))).one()
    return ReportOut.model_validate(row, from_attributes=True)


async def own_reports(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ReportOut]:
    """List what the viewer reported, the newest first."""
    rows = (await session.execute(page.select(_reports_of(viewer), at=Report.created_at, row_id=Report.id))).all()
    return page.of(rows, lambda row: ReportOut.model_validate(row, from_attributes=True))


async def cases(
    session: AsyncSession, *, viewer: Viewer, state: CaseState, mine: bool, page: PageRequest
) -> Page[CaseOut]:
    """List cases, the oldest first; raises ``ForbiddenError`` for anyone but a moderator."""
    check_moderates(viewer)
    statement = select(ModerationCase).where(ModerationCase.state == state)
    if mine:
        statement = statement.where(ModerationCase.assignee_id == viewer.id)
    asked = page.select(statement, at=ModerationCase.created_at, row_id=ModerationCase.id, newest_first=False)
    rows = (await session.scalars(asked)).all()
    return Page(items=await _cases_out(session, rows[: page.limit]), next_cursor=page.next_cursor(rows))


async def assign(session: AsyncSession, *, viewer: Viewer, case_id: UUID, on: bool) -> CaseOut:
    """Take an open case, from whoever has it, or give it back.

    Raises:
        ForbiddenError: for anyone but a moderator.
        OwnSubjectError: when it is about something of the viewer's.
        DecidedError: when it is decided.
    """
    case = await _open_case(session, viewer=viewer, case_id=case_id)
    case.assignee_id = viewer.id if on else None
    await session.flush()
    return (await _cases_out(session, [case]))[0]


async def decide(session: AsyncSession, *, viewer: Viewer, case_id: UUID, body: NewDecision) -> DecisionOut:
    """Decide a case, once.

    Raises:
        ForbiddenError: for anyone but a moderator, and for a moderator who suspends a moderator or an admin.
        OwnSubjectError, DecidedError: as ``assign`` does.
        CannotHideError: when what is to be hidden or removed is a person or a message.
        NobodysError: when the owner of what is nobody's is to be suspended.
    """
    case = await _open_case(session, viewer=viewer, case_id=case_id)
    if body.outcome is Outcome.SUSPEND:
        await _check_outranks(session, viewer=viewer, owner_id=case.owner_id)
    subject = SUBJECTS[SubjectKind(case.subject_kind)]
    took_effect = False
    if case.held:  # It comes back, unless it is this decision that hides it.
        await subject.show(session, subject_id=case.subject_id, on=True)
    if body.outcome in {Outcome.HIDE, Outcome.REMOVE}:
        if subject.is_active is None:
            raise CannotHideError
        took_effect = await subject.show(session, subject_id=case.subject_id, on=False)
    elif body.outcome is Outcome.SUSPEND:
        assert case.owner_id is not None  # noqa: S101 (checked above)
        await _suspend(session, case.owner_id, until=body.until or FOREVER)
        took_effect = True
    case.state = CaseState.DECIDED
    values = body.model_dump() | {
        "case_id": case.id,
        "subject_kind": case.subject_kind,
        "subject_id": case.subject_id,
        "moderator_id": viewer.id,
        "took_effect": took_effect,
    }
    decision_id = await session.scalar(insert(ModerationDecision).values(values).returning(ModerationDecision.id))
    if body.until is not None and body.outcome is Outcome.HIDE:
        await queue.defer(session, jobs.end, at=body.until, decision_id=str(decision_id))
    await session.flush()
    if body.outcome is not Outcome.KEEP and case.owner_id is not None:
        await tell(session, case.owner_id, decision_id, f"A moderator's decision: {body.outcome}", body.rule)
    elif case.held and case.owner_id is not None:
        await tell(session, case.owner_id, decision_id, "A moderator looked: others see it now", body.rule)
    row = (await session.execute(decisions().where(ModerationDecision.id == decision_id))).one()
    return DecisionOut.model_validate(row, from_attributes=True)


async def own_decisions(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[DecisionOut]:
    """List what was decided about things of the viewer's, the newest first; what was kept was no matter."""
    mine = decisions().where(ModerationCase.owner_id == viewer.id, ModerationDecision.outcome != Outcome.KEEP)
    rows = (
        await session.execute(page.select(mine, at=ModerationDecision.created_at, row_id=ModerationDecision.id))
    ).all()
    return page.of(rows, lambda row: DecisionOut.model_validate(row, from_attributes=True))


async def public_log(session: AsyncSession, *, page: PageRequest) -> Page[LogEntry]:
    """List every decision without names, the newest first."""
    asked = page.select(decisions(), at=ModerationDecision.created_at, row_id=ModerationDecision.id)
    rows = (await session.execute(asked)).all()
    return page.of(rows, lambda row: LogEntry.model_validate(row, from_attributes=True))


def check_moderates(viewer: Viewer) -> None:
    """Raise ``ForbiddenError`` for anyone but a moderator of the platform."""
    if not viewer.moderates:
        raise ForbiddenError("Only the platform's moderators do this")


async def _check_outranks(session: AsyncSession, *, viewer: Viewer, owner_id: UUID | None) -> None:
    """Allow a suspension of a member by a moderator, and of a moderator or an admin by an admin only.

    Raises:
        NobodysError: when there is nobody to suspend.
        ForbiddenError: when the owner has a role that only an admin may suspend.
    """
    if owner_id is None:
        raise NobodysError
    role = await session.scalar(select(User.role).where(User.id == owner_id))
    if role in STAFF_ROLES and not viewer.administers:
        raise ForbiddenError("Only an admin suspends a moderator or an admin")


async def _open_case(session: AsyncSession, *, viewer: Viewer, case_id: UUID) -> ModerationCase:
    check_moderates(viewer)
    case = await session.get(ModerationCase, case_id, with_for_update=True)
    if case is None:
        raise NotFoundError
    if case.owner_id == viewer.id:
        raise OwnSubjectError
    if case.state != CaseState.OPEN:
        raise DecidedError
    return case


def _reports_of(viewer: Viewer) -> Select[Any]:
    columns = (ModerationCase.subject_kind, ModerationCase.subject_id, ModerationCase.state)
    joined = select(Report.id, Report.reason, Report.created_at, *columns).join(
        ModerationCase, ModerationCase.id == Report.case_id
    )
    return joined.where(Report.reporter_id == viewer.id)


def decisions() -> Select[Any]:
    """Return every decision with what it was about."""
    about = {"subject_kind": ModerationCase.subject_kind, "subject_id": ModerationCase.subject_id}
    columns = [about.get(column.name, column) for column in ModerationDecision.__table__.columns]
    return select(*columns).join(ModerationCase, ModerationCase.id == ModerationDecision.case_id)


async def _cases_out(session: AsyncSession, rows: Sequence[ModerationCase]) -> list[CaseOut]:
    counts = (
        select(Report.case_id, Report.reason, func.count().label("count"))
        .where(Report.case_id.in_([row.id for row in rows]))
        .group_by(Report.case_id, Report.reason)
        .order_by(Report.reason)
    )
    reasons: dict[UUID, dict[Reason, int]] = {}
    for found in await session.execute(counts):
        reasons.setdefault(found.case_id, {})[Reason(found.reason)] = found[2]
    names = set(CaseOut.model_fields) - {"reasons"}
    return [CaseOut(**{name: getattr(row, name) for name in names}, reasons=reasons.get(row.id, {})) for row in rows]


async def _suspend(session: AsyncSession, user_id: UUID, *, until: datetime) -> None:
    later = func.greatest(func.coalesce(User.suspended_until, until), until)
    await session.execute(update(User).where(User.id == user_id).values(suspended_until=later))


async def tell(session: AsyncSession, user_id: UUID, decision_id: UUID | None, title: str, body: str) -> None:
    """Tell a person of a decision about something of theirs."""
    assert decision_id is not None  # noqa: S101 (the insert returned it)
    await notify(
        session,
        Notice(
            kind=NoticeKind.MODERATION_DECIDED,
            subject_kind="moderation_decision",
            subject_id=decision_id,
            title=title,
            body=body,
            user_ids=[user_id],
        ),
    )
