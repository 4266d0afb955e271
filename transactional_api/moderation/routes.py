"""``/moderation``: reports, the moderators' queue, decisions, appeals, and the log that everybody reads."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.callers import CallerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.moderation import appeals, service
from transactional_api.moderation.appeals import AppealedError, SameModeratorError
from transactional_api.moderation.schemas import (
    AppealDecision,
    AppealOut,
    CaseOut,
    CaseState,
    DecisionOut,
    LogEntry,
    NewAppeal,
    NewDecision,
    NewReport,
    ReportOut,
    SuspensionAppeal,
)
from transactional_api.moderation.service import (
    CannotHideError,
    DecidedError,
    NobodysError,
    OwnSubjectError,
)
from transactional_api.paging import Page, PageDep
from transactional_api.users import service as users
from transactional_api.users.account_routes import AccountsDep
from transactional_api.users.second_factor import SecondFactorRequiredError, WrongCodeError
from transactional_api.users.service import WrongCredentialsError
from transactional_api.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/moderation", tags=["moderation"], route_class=TransactionalRoute)

LISTS = (UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, NotFoundError, InvalidRequestError, KeyReusedError, KeyInUseError)
JUDGES = (*WRITES, ForbiddenError, DecidedError, OwnSubjectError)


@router.post("/reports", operation_id="report", status_code=201, responses=declare(*WRITES, OwnSubjectError))
async def report(body: NewReport, session: SessionDep, writer: WriterDep) -> ReportOut:
    """Ask moderators to look at something that you see. Twice changes nothing, and its owner does not learn of you."""
    return await service.report(session, viewer=writer, body=body)


@router.get("/reports", operation_id="listOwnReports", responses=declare(*LISTS))
async def own_reports(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[ReportOut]:
    """List what you reported, the newest first."""
    return await service.own_reports(session, viewer=viewer, page=page)


@router.get("/log", operation_id="listModerationLog", responses=declare(*LISTS))
async def public_log(session: SessionDep, _viewer: ViewerDep, page: PageDep) -> Page[LogEntry]:
    """List every decision without names, the newest first."""
    return await service.public_log(session, page=page)


@router.get("/decisions", operation_id="listOwnDecisions", responses=declare(*LISTS))
async def own_decisions(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[DecisionOut]:
    """List what was decided about things of yours, the newest first."""
    return await service.own_decisions(session, viewer=viewer, page=page)


@router.post(
    "/decisions/{decision_id}/appeal",
    operation_id="appeal",
    status_code=201,
    responses=declare(*WRITES, AppealedError),
)
async def appeal(decision_id: UUID, body: NewAppeal, session: SessionDep, writer: WriterDep) -> AppealOut:
    """Say why a decision about something of yours is wrong; another moderator looks at it."""
    return await appeals.appeal(session, appellant_id=writer.id, decision_id=decision_id, words=body.words)


@router.post(
    "/suspension/appeal",
    operation_id="appealSuspension",
    status_code=201,
    responses=declare(
        WrongCredentialsError,
        SecondFactorRequiredError,
        WrongCodeError,
        TooManyAttemptsError,
        NotFoundError,
        AppealedError,
        InvalidRequestError,
        UnavailableError,
    ),
)
async def appeal_suspension(
    body: SuspensionAppeal, session: SessionDep, accounts: AccountsDep, caller: CallerDep
) -> AppealOut:
    """Say why your suspension is wrong: you cannot log in, so your credentials come along. Nothing else is opened."""
    user = await users.identify(session, accounts=accounts, credentials=body, caller=caller)
    return await appeals.appeal_suspension(session, user=user, words=body.words)


@router.get("/cases", operation_id="listCases", responses=declare(*LISTS, ForbiddenError))
async def cases(
    *,
    session: SessionDep,
    viewer: ViewerDep,
    page: PageDep,
    state: CaseState = CaseState.OPEN,
    mine: Annotated[bool, Query(description="Only those that you took.")] = False,
) -> Page[CaseOut]:
    """List cases, the oldest first; for moderators."""
    return await service.cases(session, viewer=viewer, state=state, mine=mine, page=page)


@router.put("/cases/{case_id}/assignee", operation_id="takeCase", responses=declare(*JUDGES))
async def take(case_id: UUID, session: SessionDep, writer: WriterDep) -> CaseOut:
    """Take a case; for moderators."""
    return await service.assign(session, viewer=writer, case_id=case_id, on=True)


@router.delete("/cases/{case_id}/assignee", operation_id="giveCaseBack", responses=declare(*JUDGES))
async def give_back(case_id: UUID, session: SessionDep, writer: WriterDep) -> CaseOut:
    """Leave a case to others; for moderators."""
    return await service.assign(session, viewer=writer, case_id=case_id, on=False)


@router.post(
    "/cases/{case_id}/decision",
    operation_id="decideCase",
    status_code=201,
    responses=declare(*JUDGES, CannotHideError, NobodysError),
)
async def decide(case_id: UUID, body: NewDecision, session: SessionDep, writer: WriterDep) -> DecisionOut:
    """Decide a case; for moderators. Its owner is told, by which rule, and may appeal."""
    return await service.decide(session, viewer=writer, case_id=case_id, body=body)


@router.get("/appeals", operation_id="listAppeals", responses=declare(*LISTS, ForbiddenError))
async def list_appeals(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[AppealOut]:
    """List the open appeals against others' decisions, the oldest first; for moderators."""
    return await appeals.appeals(session, viewer=viewer, page=page)


@router.post(
    "/appeals/{appeal_id}/decision", operation_id="decideAppeal", responses=declare(*JUDGES, SameModeratorError)
)
async def decide_appeal(appeal_id: UUID, body: AppealDecision, session: SessionDep, writer: WriterDep) -> AppealOut:
    """Uphold a decision or take it back; for moderators other than who decided."""
    return await appeals.decide_appeal(session, viewer=writer, appeal_id=appeal_id, body=body)
