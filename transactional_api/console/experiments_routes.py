"""Experiments in the console: assignment, sample-ratio check, readout, guardrails, and stop; for admins."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.feed.policy import parameter_names
from transactional_api.console.pages import RefusedFormError, page, redirect
from transactional_api.console.routing import ConsoleRoute
from transactional_api.console.sessions import PREFIX, Admin
from transactional_api.core.cache import RedisDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import InvalidRequestError, Problem
from transactional_api.core.pagination import PageDep
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.experiments import ranking, service
from transactional_api.intelligence.experiments.schemas import ExperimentKey, StoppedBody

router = APIRouter(prefix=f"{PREFIX}/experiments", route_class=ConsoleRoute)

HOME: Final = f"{PREFIX}/experiments"
Key = Annotated[ExperimentKey, Path()]


@router.get("")
async def experiments(request: Request, session: SessionDep, viewer: Admin, paging: PageDep) -> Response:
    """Show all experiments, newest first."""
    listed = await service.list_experiments(session, viewer=viewer, page=paging)
    return page(
        request, "experiments/list.html", viewer=viewer, experiments=listed, is_first_page=paging.cursor is None
    )


@router.get("/{key}")
async def experiment(request: Request, session: SessionDep, viewer: Admin, key: Key) -> Response:
    """Show an experiment with its readout."""
    return await _experiment_page(request, session, viewer=viewer, key=key)


@router.post("/{key}/stop")
async def stop(
    request: Request,
    session: SessionDep,
    viewer: Admin,
    redis: RedisDep,
    key: Key,
    *,
    reason: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Stop an experiment."""
    try:
        body = StoppedBody(reason=reason)
    except ValidationError:
        problem = InvalidRequestError("Say why, in at most 500 characters")
        response = await _experiment_page(request, session, viewer=viewer, key=key, reason=reason, problem=problem)
        raise RefusedFormError(response) from problem
    ranking.forget_after_commit(session, redis)
    await service.stop_experiment(session, viewer=viewer, key=key, reason=body.reason)
    return redirect(f"{HOME}/{key}")


async def _experiment_page(
    request: Request,
    session: AsyncSession,
    *,
    viewer: Viewer,
    key: str,
    reason: str = "",
    problem: Problem | None = None,
) -> HTMLResponse:
    found = await service.get(session, key=key)
    readout, readout_at = await service.stored_readout(session, key=key)
    return page(
        request,
        "experiments/experiment.html",
        viewer=viewer,
        status=problem.status if problem else 200,
        experiment=found,
        total_weight=sum(variant.weight for variant in found.variants),
        parameters={variant.name: sorted(parameter_names(variant.ranking)) for variant in found.variants},
        readout=readout,
        readout_at=readout_at,
        reason=reason,
        problem=problem,
        mlflow_url=request.app.state.settings.mlflow_tracking_uri,
    )
