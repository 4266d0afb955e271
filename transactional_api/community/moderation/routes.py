"""``/moderation``: reports, the queue of cases, decisions, appeals, and the public log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.community.moderation import appeals, service
from transactional_api.community.moderation.appeals import AlreadyAppealedError, SameModeratorError
from transactional_api.community.moderation.schemas import (
    AppealDecision,
    AppealOut,
    CaseOut,
    DecisionOut,
    LogEntry,
    NewAppeal,
    NewDecision,
    NewReport,
    ReportOut,
    SuspensionAppeal,
)
from transactional_api.community.moderation.service import (
    AlreadyDecidedError,
    CannotHideError,
    OwnContentError,
    SubjectHasNoOwnerError,
)
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.moderation import CaseState
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.security.callers import CallerDep
from transactional_api.identity.users import service as users
from transactional_api.identity.users.account_routes import AccountsDep
from transactional_api.identity.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.identity.users.service import WrongCredentialsError
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/moderation", tags=["moderation"], route_class=TransactionalRoute)

LISTS = (UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)
DECISIONS = (*WRITES, ForbiddenError, AlreadyDecidedError, OwnContentError)


@router.post(
    "/reports",
    operation_id="createReport",
    summary="Report content",
    status_code=201,
    responses=problem_responses(*WRITES, OwnContentError),
)
async def create_report(body: NewReport, session: SessionDep, writer: WritingUser) -> ReportOut:
    """Report content to the moderators; idempotent. Its owner does not learn who reported it."""
    return await service.create_report(session, viewer=writer, body=body)


@router.get("/reports", operation_id="listOwnReports", summary="List own reports", responses=problem_responses(*LISTS))
async def list_own_reports(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[ReportOut]:
    """List your reports, newest first."""
    return await service.list_own_reports(session, viewer=viewer, page=page)


@router.get(
    "/log", operation_id="listModerationLog", summary="List the moderation log", responses=problem_responses(*LISTS)
)
async def list_log(session: SessionDep, _viewer: CurrentUser, page: PageDep) -> Page[LogEntry]:
    """List all decisions without names, newest first."""
    return await service.list_log(session, page=page)


@router.get(
    "/decisions",
    operation_id="listOwnDecisions",
    summary="List decisions about own content",
    responses=problem_responses(*LISTS),
)
async def list_own_decisions(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[DecisionOut]:
    """List the decisions about your content, newest first."""
    return await service.list_own_decisions(session, viewer=viewer, page=page)


@router.post(
    "/decisions/{decision_id}/appeal",
    operation_id="createAppeal",
    summary="Appeal a decision",
    status_code=201,
    responses=problem_responses(*WRITES, AlreadyAppealedError),
)
async def create_appeal(decision_id: UUID, body: NewAppeal, session: SessionDep, writer: WritingUser) -> AppealOut:
    """Appeal a decision about your content. Another moderator decides the appeal."""
    return await appeals.create_appeal(
        session, appellant_id=writer.id, decision_id=decision_id, statement=body.statement
    )


@router.post(
    "/suspension/appeal",
    operation_id="appealSuspension",
    summary="Appeal a suspension",
    status_code=201,
    responses=problem_responses(
        WrongCredentialsError,
        SecondFactorRequiredError,
        WrongCodeError,
        TooManyAttemptsError,
        NotFoundError,
        AlreadyAppealedError,
        InvalidRequestError,
        UnavailableError,
    ),
)
async def appeal_suspension(
    body: SuspensionAppeal, session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> AppealOut:
    """Appeal your suspension. The request has your credentials, since suspended users cannot log in."""
    user = await users.identify(session, accounts=accounts, credentials=body, caller=caller)
    return await appeals.appeal_suspension(session, user=user, statement=body.statement)


@router.get(
    "/cases",
    operation_id="listCases",
    summary="List moderation cases",
    responses=problem_responses(*LISTS, ForbiddenError),
)
async def list_cases(
    *,
    session: SessionDep,
    viewer: CurrentUser,
    page: PageDep,
    state: CaseState = CaseState.OPEN,
    mine: Annotated[bool, Query(description="Only cases that are assigned to you.")] = False,
) -> Page[CaseOut]:
    """List cases, oldest first; for moderators."""
    return await service.list_cases(session, viewer=viewer, state=state, mine=mine, page=page)


@router.put(
    "/cases/{case_id}/assignee",
    operation_id="assignCase",
    summary="Assign a case to yourself",
    responses=problem_responses(*DECISIONS),
)
async def assign_case(case_id: UUID, session: SessionDep, writer: WritingUser) -> CaseOut:
    """Assign a case to yourself; for moderators."""
    return await service.set_assignee(session, viewer=writer, case_id=case_id, is_assigned=True)


@router.delete(
    "/cases/{case_id}/assignee",
    operation_id="unassignCase",
    summary="Unassign a case",
    responses=problem_responses(*DECISIONS),
)
async def unassign_case(case_id: UUID, session: SessionDep, writer: WritingUser) -> CaseOut:
    """Remove the assignment of a case; for moderators."""
    return await service.set_assignee(session, viewer=writer, case_id=case_id, is_assigned=False)


@router.post(
    "/cases/{case_id}/decision",
    operation_id="decideCase",
    summary="Decide a case",
    status_code=201,
    responses=problem_responses(*DECISIONS, CannotHideError, SubjectHasNoOwnerError),
)
async def decide_case(case_id: UUID, body: NewDecision, session: SessionDep, writer: WritingUser) -> DecisionOut:
    """Decide a case; for moderators. The owner is notified of the decision and its rule, and may appeal."""
    return await service.decide_case(session, viewer=writer, case_id=case_id, body=body)


@router.get(
    "/appeals",
    operation_id="listAppeals",
    summary="List open appeals",
    responses=problem_responses(*LISTS, ForbiddenError),
)
async def list_appeals(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[AppealOut]:
    """List the open appeals against decisions of other moderators, oldest first; for moderators."""
    return await appeals.list_appeals(session, viewer=viewer, page=page)


@router.post(
    "/appeals/{appeal_id}/decision",
    operation_id="decideAppeal",
    summary="Decide an appeal",
    responses=problem_responses(*DECISIONS, SameModeratorError),
)
async def decide_appeal(appeal_id: UUID, body: AppealDecision, session: SessionDep, writer: WritingUser) -> AppealOut:
    """Uphold or reverse a decision; for moderators other than the one who made it."""
    return await appeals.decide_appeal(session, viewer=writer, appeal_id=appeal_id, body=body)
