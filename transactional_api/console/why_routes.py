"""Explanation of a feed answer in the console: funnel, items with reasons, and replay; for admins, audited."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from neighborconnect.feed.policy import RankingPolicy
from transactional_api.console import why
from transactional_api.console.pages import RefusedFormError, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin, AuditedAdmin
from transactional_api.core.db.statements import RunnerDep, StatementRunner
from transactional_api.core.errors import Problem
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import decisions
from transactional_api.intelligence.recommendations.replay import FeedReplay, ReplayRequest, replay
from transactional_api.intelligence.recommendations.routes import RankingClientsDep

router = APIRouter(prefix=f"{PREFIX}/why", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/why"


class InvalidParametersError(Problem):
    """The re-ranking parameters of a replay are not valid."""

    status, code, title = 422, "invalid_parameters", "The parameters are not valid"


@router.get("")
async def search(
    request: Request, viewer: Admin, *, request_id: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """Show the form for the id of an answer, or lead to its explanation."""
    try:
        return redirect(f"{HOME}/{UUID(request_id.strip())}")
    except ValueError:
        return page(request, "why/search.html", viewer=viewer, given=request_id)


@router.get("/{request_id}")
async def explain(request: Request, runner: RunnerDep, viewer: AuditedAdmin, request_id: UUID) -> Response:
    """Show why an answer has its items in its order."""
    return await _answer_page(request, runner, viewer=viewer, request_id=request_id)


@router.post("/{request_id}/replay")
async def replay_answer(
    request: Request,
    runner: RunnerDep,
    viewer: Admin,
    clients: RankingClientsDep,
    request_id: UUID,
    *,
    asks_model: Annotated[bool, Form()] = False,
    parameters: Annotated[str, Form(max_length=20_000)] = "",
) -> Response:
    """Build the answer again, and show the difference."""
    try:
        body = ReplayRequest(asks_model=asks_model, parameters=_parameters(parameters))
        result = await replay(runner, viewer=viewer, inference=clients.inference, request_id=request_id, body=body)
    except InvalidParametersError as problem:
        response = await _answer_page(
            request, runner, viewer=viewer, request_id=request_id, parameters=parameters, problem=problem
        )
        raise RefusedFormError(response) from problem
    return await _answer_page(
        request, runner, viewer=viewer, request_id=request_id, parameters=parameters, result=result
    )


async def _answer_page(
    request: Request,
    runner: StatementRunner,
    *,
    viewer: Viewer,
    request_id: UUID,
    parameters: str = "",
    result: FeedReplay | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    decision = await decisions.get_any(runner, request_id=request_id)
    rejected = why.rejected_candidates(decision)
    item_ids = {item.item_id for item in decision.record.items} | {UUID(one.candidate.item_id) for one in rejected}
    if result is not None:
        item_ids |= {item.item_id for item in result.items}
    return page(
        request,
        "why/answer.html",
        viewer=viewer,
        status=problem.status if problem else 200,
        explanation=decisions.explain(decision),
        user_id=decision.user_id,
        stage_ms=decision.record.stage_ms,
        funnel=why.funnel(decision),
        rejected=rejected,
        titles=await why.titles(runner, viewer=viewer, item_kind=decision.item_kind, item_ids=sorted(item_ids)),
        parameters=parameters or decision.record.rankings[0].pages.policy.model_dump_json(indent=2),
        replay=result,
        problem=problem,
    )


def _parameters(given: str) -> RankingPolicy | None:
    """Return the parameters of the form; None for an empty field.

    Raises:
        InvalidParametersError: when they are not valid JSON of all parameters.
    """
    if not given.strip():
        return None
    try:
        return RankingPolicy.model_validate_json(given)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'JSON'}: {one['msg']}" for one in error.errors()[:5])
        raise InvalidParametersError("; ".join(faults)) from None
