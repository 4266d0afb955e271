"""Reports, and the cases that moderators decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.moderation import reversal
from transactional_api.community.moderation.schemas import (
    CaseOut,
    DecisionOut,
    LogEntry,
    NewDecision,
    NewReport,
    Reason,
    ReportOut,
)
from transactional_api.core.db.tables import ModerationCase, ModerationDecision, Report, User
from transactional_api.core.db.tables.moderation import OPEN_CASES
from transactional_api.core.errors import ForbiddenError, NotFoundError, Problem
from transactional_api.core.jobs import queue
from transactional_api.core.moderation import MAX_WORDS, SUBJECTS, TRIAGE, CaseState, Outcome, SubjectKind
from transactional_api.core.notices import Notice, NoticeKind, notify
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.viewer import NO_EXPIRY, STAFF_ROLES, Viewer

_TITLES = {
    Outcome.LABEL: "A moderator added a label to your content",
    Outcome.HIDE: "A moderator hid your content",
    Outcome.REMOVE: "A moderator removed your content",
    Outcome.SUSPEND: "A moderator suspended your account",
}
"""Titles of notifications by outcome; ``notifications/texts.toml`` translates them."""


class OwnContentError(Problem):
    """Users can neither report nor moderate their own content."""

    status, code, title = 409, "own_content", "This is your own content"


class AlreadyDecidedError(Problem):
    """The case or appeal is already decided."""

    status, code, title = 409, "already_decided", "This is already decided"


class CannotHideError(Problem):
    """Users and messages cannot be hidden; their owner can be suspended."""

    status, code, title = 409, "cannot_be_hidden", "This cannot be hidden; suspend its owner or keep it"


class SubjectHasNoOwnerError(Problem):
    """The subject has no owner to suspend."""

    status, code, title = 409, "subject_has_no_owner", "This has no owner; hide or remove it"


async def create_report(session: AsyncSession, *, viewer: Viewer, body: NewReport) -> ReportOut:
    """Report content; idempotent.

    Raises:
        NotFoundError: when the viewer may not see it.
        OwnContentError: when the viewer owns it.
    """
    subject = await SUBJECTS[body.subject_kind].find(session, viewer=viewer, subject_id=body.subject_id)
    if subject is None:
        raise NotFoundError
    if subject.owner_id == viewer.id:
        raise OwnContentError
    case = upsert(ModerationCase).values(
        subject_kind=body.subject_kind,
        subject_id=body.subject_id,
        owner_id=subject.owner_id,
        content_snapshot=subject.words[:MAX_WORDS],
    )
    # The upsert locks the open case, so that it cannot be decided before the report is added.
    locked = case.on_conflict_do_update(
        index_elements=["subject_kind", "subject_id"],
        index_where=OPEN_CASES,
        set_={"state": CaseState.OPEN},
    )
    case_id = (await session.execute(locked.returning(ModerationCase.id))).scalar_one()
    report = upsert(Report).values(case_id=case_id, reporter_id=viewer.id, reason=body.reason, details=body.details)
    added = await session.scalar(report.on_conflict_do_nothing().returning(Report.id))
    if added is not None:
        counted = update(ModerationCase).where(ModerationCase.id == case_id)
        reports = await session.scalar(
            counted.values(report_count=ModerationCase.report_count + 1).returning(ModerationCase.report_count)
        )
        if reports == 1:
            await queue.defer(session, TRIAGE, case_id=str(case_id))
    row = (await session.execute(_reports_of(viewer).where(Report.case_id == case_id))).one()
    return ReportOut.model_validate(row, from_attributes=True)


async def list_own_reports(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[ReportOut]:
    """List the viewer's reports, newest first."""
    rows = (await session.execute(page.select(_reports_of(viewer), at=Report.created_at, row_id=Report.id))).all()
    return page.of(rows, lambda row: ReportOut.model_validate(row, from_attributes=True))


async def list_cases(
    session: AsyncSession,
    *,
    viewer: Viewer,
    state: CaseState,
    mine: bool,
    page: PageRequest,
    newest_first: bool = False,
) -> Page[CaseOut]:
    """List cases, oldest first unless ``newest_first``.

    Raises:
        ForbiddenError: when the viewer is not a moderator.
    """
    require_platform_moderator(viewer)
    statement = select(ModerationCase).where(ModerationCase.state == state)
    if mine:
        statement = statement.where(ModerationCase.assignee_id == viewer.id)
    paged = page.select(statement, at=ModerationCase.created_at, row_id=ModerationCase.id, newest_first=newest_first)
    rows = (await session.scalars(paged)).all()
    return Page(items=await cases_out(session, rows[: page.limit]), next_cursor=page.next_cursor(rows))


async def set_assignee(session: AsyncSession, *, viewer: Viewer, case_id: UUID, is_assigned: bool) -> CaseOut:
    """Assign an open case to the viewer, or remove its assignment.

    Raises:
        ForbiddenError: when the viewer is not a moderator.
        OwnContentError: when the case is about the viewer's content.
        AlreadyDecidedError: when it is decided.
    """
    case = await _open_case(session, viewer=viewer, case_id=case_id)
    case.assignee_id = viewer.id if is_assigned else None
    await session.flush()
    return (await cases_out(session, [case]))[0]


async def decide_case(session: AsyncSession, *, viewer: Viewer, case_id: UUID, body: NewDecision) -> DecisionOut:
    """Decide a case, once.

    Raises:
        ForbiddenError: when the viewer is not a moderator, or is one and suspends a moderator or an admin.
        OwnContentError: when the case is about the viewer's content.
        AlreadyDecidedError: when it is decided.
        CannotHideError: when the outcome hides or removes a user or a message.
        SubjectHasNoOwnerError: when the outcome suspends, and the subject has no owner.
    """
    case = await _open_case(session, viewer=viewer, case_id=case_id)
    if body.outcome is Outcome.SUSPEND:
        await _check_outranks(session, viewer=viewer, owner_id=case.owner_id)
    subject = SUBJECTS[SubjectKind(case.subject_kind)]
    took_effect = False
    if case.is_held:  # Shown again, unless this decision hides it.
        await subject.show(session, subject_id=case.subject_id, on=True)
    if body.outcome in {Outcome.HIDE, Outcome.REMOVE}:
        if subject.is_active is None:
            raise CannotHideError
        took_effect = await subject.show(session, subject_id=case.subject_id, on=False)
        if subject.after_hiding is not None:
            await subject.after_hiding(session, case.subject_id)
    elif body.outcome is Outcome.SUSPEND:
        assert case.owner_id is not None  # noqa: S101 (checked above)
        await _suspend(session, case.owner_id, until=body.until or NO_EXPIRY)
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
        await queue.defer(session, reversal.expire, at=body.until, decision_id=str(decision_id))
    await session.flush()
    if body.outcome is not Outcome.KEEP and case.owner_id is not None:
        await notify_owner(session, case.owner_id, decision_id, _TITLES[body.outcome], body.rule)
    elif case.is_held and case.owner_id is not None:
        await notify_owner(
            session, case.owner_id, decision_id, "A moderator reviewed it: it is visible again", body.rule
        )
    await _notify_reporters(session, case_id=case.id)
    row = (await session.execute(decisions().where(ModerationDecision.id == decision_id))).one()
    return DecisionOut.model_validate(row, from_attributes=True)


async def list_own_decisions(session: AsyncSession, *, viewer: Viewer, page: PageRequest) -> Page[DecisionOut]:
    """List the decisions about the viewer's content, newest first, except those without a consequence."""
    own = decisions().where(ModerationCase.owner_id == viewer.id, ModerationDecision.outcome != Outcome.KEEP)
    rows = (
        await session.execute(page.select(own, at=ModerationDecision.created_at, row_id=ModerationDecision.id))
    ).all()
    return page.of(rows, lambda row: DecisionOut.model_validate(row, from_attributes=True))


async def list_log(session: AsyncSession, *, page: PageRequest) -> Page[LogEntry]:
    """List all decisions without names, newest first."""
    paged = page.select(decisions(), at=ModerationDecision.created_at, row_id=ModerationDecision.id)
    rows = (await session.execute(paged)).all()
    return page.of(rows, lambda row: LogEntry.model_validate(row, from_attributes=True))


def require_platform_moderator(viewer: Viewer) -> None:
    """Check that the viewer is a moderator of the platform.

    Raises:
        ForbiddenError: otherwise.
    """
    if not viewer.is_moderator:
        raise ForbiddenError("Only moderators of the platform may do this")


async def _check_outranks(session: AsyncSession, *, viewer: Viewer, owner_id: UUID | None) -> None:
    """Check that the viewer may suspend a user: only admins may suspend moderators and admins.

    Raises:
        SubjectHasNoOwnerError: when there is no user to suspend.
        ForbiddenError: when the viewer's role is too low.
    """
    if owner_id is None:
        raise SubjectHasNoOwnerError
    role = await session.scalar(select(User.role).where(User.id == owner_id))
    if role in STAFF_ROLES and not viewer.is_admin:
        raise ForbiddenError("Only an admin may suspend a moderator or an admin")


async def _open_case(session: AsyncSession, *, viewer: Viewer, case_id: UUID) -> ModerationCase:
    require_platform_moderator(viewer)
    case = await session.get(ModerationCase, case_id, with_for_update=True)
    if case is None:
        raise NotFoundError
    if case.owner_id == viewer.id:
        raise OwnContentError
    if case.state != CaseState.OPEN:
        raise AlreadyDecidedError
    return case


def _reports_of(viewer: Viewer) -> Select[Any]:
    columns = (ModerationCase.subject_kind, ModerationCase.subject_id, ModerationCase.state)
    joined = select(Report.id, Report.reason, Report.created_at, *columns).join(
        ModerationCase, ModerationCase.id == Report.case_id
    )
    return joined.where(Report.reporter_id == viewer.id)


def decisions() -> Select[Any]:
    """Select all decisions with their subjects."""
    about = {"subject_kind": ModerationCase.subject_kind, "subject_id": ModerationCase.subject_id}
    columns = [about.get(column.name, column) for column in ModerationDecision.__table__.columns]
    return select(*columns).join(ModerationCase, ModerationCase.id == ModerationDecision.case_id)


async def cases_out(session: AsyncSession, rows: Sequence[ModerationCase]) -> list[CaseOut]:
    """Return cases for moderators, with the number of reports by reason."""
    counts = (
        select(Report.case_id, Report.reason, func.count().label("count"))
        .where(Report.case_id.in_([row.id for row in rows]))
        .group_by(Report.case_id, Report.reason)
        .order_by(Report.reason)
    )
    reasons: dict[UUID, dict[Reason, int]] = {}
    for row in await session.execute(counts):
        reasons.setdefault(row.case_id, {})[Reason(row.reason)] = row[2]
    names = set(CaseOut.model_fields) - {"reasons"}
    return [CaseOut(**{name: getattr(row, name) for name in names}, reasons=reasons.get(row.id, {})) for row in rows]


async def _suspend(session: AsyncSession, user_id: UUID, *, until: datetime) -> None:
    later = func.greatest(func.coalesce(User.suspended_until, until), until)
    await session.execute(update(User).where(User.id == user_id).values(suspended_until=later))


async def _notify_reporters(session: AsyncSession, *, case_id: UUID) -> None:
    reports = await session.execute(select(Report.id, Report.reporter_id).where(Report.case_id == case_id))
    for report_id, reporter_id in reports.all():
        await notify(
            session,
            Notice(
                id=report_id,
                kind=NoticeKind.REPORT_DECIDED,
                subject_kind="moderation_report",
                subject_id=report_id,
                title="A moderator decided about your report",
                user_ids=[reporter_id],
            ),
        )


async def notify_owner(session: AsyncSession, user_id: UUID, decision_id: UUID | None, title: str, body: str) -> None:
    """Notify a user of a decision about their content."""
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
