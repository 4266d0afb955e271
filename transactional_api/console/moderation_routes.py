"""Moderation in the console: the queue of cases, one case with its decision, appeals, and statistics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.media import service as media_service
from transactional_api.community.media.routes import MediaDep
from transactional_api.community.media.schemas import MediaOut
from transactional_api.community.moderation import appeals, review, service
from transactional_api.community.moderation.schemas import AppealDecision, NewDecision
from transactional_api.console.pages import RefusedFormError, end_of, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Staff
from transactional_api.core.db.session import SessionDep
from transactional_api.core.error_texts import text_of
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.media.stores import MediaStores
from transactional_api.core.moderation import SUBJECTS, CaseState, Outcome, SubjectKind
from transactional_api.core.pagination import PageDep, PageRequest
from transactional_api.core.viewer import Viewer

router = APIRouter(prefix=f"{PREFIX}/moderation", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/moderation"
PERIODS: Final = {"": None, "1": 1, "7": 7, "30": 30, "90": 90}
"""Days until a hiding or suspension ends, by value of the form; None for no end."""
_DEFAULT_DAYS: Final = 30
_SUGGESTED_RULES: Final = PageRequest(limit=50, cursor=None)
_LABELS: Final = {"outcome": "Decision", "rule": "Rule", "label": "Label", "until": "End"}


class InvalidDecisionError(Problem):
    """The form of a decision is incomplete or contradictory."""

    status, code, title = 422, "invalid_decision", "The decision is not complete"


@router.get("")
async def queue(
    request: Request,
    session: SessionDep,
    viewer: Staff,
    paging: PageDep,
    *,
    state: CaseState = CaseState.OPEN,
    mine: bool = False,
    decided: UUID | None = None,
) -> Response:
    """Show the queue of cases: the open ones from the oldest, the decided ones from the newest."""
    cases = await service.list_cases(
        session, viewer=viewer, state=state, mine=mine, page=paging, newest_first=state is CaseState.DECIDED
    )
    return page(
        request,
        "moderation/queue.html",
        viewer=viewer,
        cases=cases,
        decided=decided,
        tab=state.value if not mine else "mine",
        queue_state=await review.queue_state(session, viewer=viewer),
        is_first_page=paging.cursor is None,
    )


@router.get("/cases/{case_id}")
async def case(request: Request, session: SessionDep, viewer: Staff, media: MediaDep, case_id: UUID) -> Response:
    """Show a case with its reports, earlier decisions and the form of the decision."""
    return await _case_page(request, session, viewer=viewer, media=media, case_id=case_id)


@router.post("/cases/{case_id}/assignee")
async def assign(
    session: SessionDep, viewer: Staff, case_id: UUID, *, is_assigned: Annotated[bool, Form()] = True
) -> Response:
    """Assign a case to the viewer, or remove its assignment."""
    await service.set_assignee(session, viewer=viewer, case_id=case_id, is_assigned=is_assigned)
    return redirect(f"{HOME}/cases/{case_id}")


@router.post("/cases/{case_id}/decision")
async def decide(
    request: Request,
    session: SessionDep,
    viewer: Staff,
    media: MediaDep,
    case_id: UUID,
    *,
    outcome: Annotated[str, Form(max_length=20)] = "",
    rule: Annotated[str, Form(max_length=2_000)] = "",
    label: Annotated[str, Form(max_length=200)] = "",
    period: Annotated[str, Form(max_length=5)] = "",
    until: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Decide a case."""
    given = {"outcome": outcome, "rule": rule, "label": label, "period": period, "until": until}
    try:
        await service.decide_case(session, viewer=viewer, case_id=case_id, body=_decision(given))
    except NotFoundError:
        raise
    except Problem as problem:
        await session.rollback()
        response = await _case_page(
            request, session, viewer=viewer, media=media, case_id=case_id, given=given, problem=problem
        )
        raise RefusedFormError(response) from problem
    return redirect(HOME, decided=str(case_id))


@router.get("/appeals")
async def appeal_list(request: Request, session: SessionDep, viewer: Staff, paging: PageDep) -> Response:
    """Show the open appeals against decisions of others."""
    return page(
        request,
        "moderation/appeals.html",
        viewer=viewer,
        appeals=await review.list_appeals(session, viewer=viewer, page=paging),
        tab="appeals",
        queue_state=await review.queue_state(session, viewer=viewer),
        is_first_page=paging.cursor is None,
    )


@router.post("/appeals/{appeal_id}/decision")
async def decide_appeal(
    session: SessionDep, viewer: Staff, appeal_id: UUID, *, verdict: Annotated[Literal["uphold", "overturn"], Form()]
) -> Response:
    """Uphold or reverse the decision that an appeal contests."""
    body = AppealDecision(overturn=verdict == "overturn")
    await appeals.decide_appeal(session, viewer=viewer, appeal_id=appeal_id, body=body)
    return redirect(f"{HOME}/appeals")


@router.get("/statistics")
async def statistics(
    request: Request, session: SessionDep, viewer: Staff, *, days: Annotated[int, Query(ge=1, le=365)] = _DEFAULT_DAYS
) -> Response:
    """Show the outcomes of the decisions of the last days."""
    return page(
        request,
        "moderation/statistics.html",
        viewer=viewer,
        tab="statistics",
        days=days,
        outcomes=await review.outcomes(session, viewer=viewer, days=days),
        outcome_names=[outcome.value for outcome in Outcome],
        queue_state=await review.queue_state(session, viewer=viewer),
    )


async def _case_page(
    request: Request,
    session: AsyncSession,
    *,
    viewer: Viewer,
    media: MediaStores,
    case_id: UUID,
    given: dict[str, str] | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    found = await review.get_case(session, viewer=viewer, case_id=case_id)
    upload = await _upload_of(session, media=media, viewer=viewer, found=found)
    log = await service.list_log(session, page=_SUGGESTED_RULES)
    return page(
        request,
        "moderation/case.html",
        viewer=viewer,
        status=problem.status if problem else 200,
        media_origins=_origins(upload),
        review=found,
        case=found.case,
        upload=upload,
        given=given or dict.fromkeys(_LABELS, "") | {"period": ""},
        problem=problem,
        outcomes=_outcomes_of(found),
        periods=PERIODS,
        rules=sorted({entry.rule for entry in log.items}),
        tab="",
        queue_state=await review.queue_state(session, viewer=viewer),
    )


async def _upload_of(
    session: AsyncSession, *, media: MediaStores, viewer: Viewer, found: review.CaseReview
) -> MediaOut | None:
    """Return the upload that a case is about; None for other cases, and where the viewer may not see it."""
    if found.case.subject_kind is not SubjectKind.UPLOAD:
        return None
    try:
        return await media_service.get_upload(session, media=media, viewer=viewer, media_id=found.case.subject_id)
    except NotFoundError:
        return None


def _origins(upload: MediaOut | None) -> list[str]:
    if upload is None or upload.url is None:
        return []
    parts = urlsplit(upload.url)
    return [f"{parts.scheme}://{parts.netloc}"]


def _outcomes_of(found: review.CaseReview) -> list[tuple[str, bool]]:
    """Return each outcome, and whether the subject allows it."""
    can_hide = SUBJECTS[found.case.subject_kind].is_active is not None
    refused = set[Outcome]() if can_hide else {Outcome.HIDE, Outcome.REMOVE}
    if found.case.owner_id is None:
        refused.add(Outcome.SUSPEND)
    return [(outcome.value, outcome not in refused) for outcome in Outcome]


def _decision(given: dict[str, str]) -> NewDecision:
    """Return the decision of a form; empty fields are left out.

    Raises:
        InvalidDecisionError: when it is not valid; the text names the fields.
    """
    fields: dict[str, Any] = {name: given[name] for name in ("outcome", "rule", "label") if given[name].strip()}
    try:
        if given["until"]:
            fields["until"] = datetime.fromisoformat(given["until"]).replace(tzinfo=UTC)
        elif (days := PERIODS.get(given["period"])) is not None:
            fields["until"] = end_of(days)
        return NewDecision(**fields)
    except ValidationError as error:
        raise InvalidDecisionError("; ".join(map(_fault, error.errors()))) from None
    except ValueError:
        raise InvalidDecisionError("The end is not a time, as in 2026-12-31T12:00") from None


def _fault(error: Any) -> str:
    name = _LABELS.get(str(error["loc"][0])) if error["loc"] else None
    return f"{name}: {text_of(error)}" if name else text_of(error)
