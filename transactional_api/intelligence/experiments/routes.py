"""``/experiments``: experiments, assignments and exposures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, IdempotentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.intelligence.experiments import service
from transactional_api.intelligence.experiments.schemas import (
    ExperimentAssignment,
    ExperimentBody,
    ExperimentKey,
    ExperimentOut,
    ExposureOut,
)
from transactional_api.intelligence.experiments.service import ExperimentExistsError

router = APIRouter(prefix="/experiments", tags=["experiments"], route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
Key = Annotated[ExperimentKey, Path(examples=["larger-pictures"])]


@router.get(
    "",
    operation_id="listExperiments",
    summary="List experiments",
    responses=problem_responses(UnauthenticatedError, ForbiddenError, InvalidRequestError, InvalidCursorError),
)
async def list_experiments(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[ExperimentOut]:
    """List all experiments, newest first; for admins of the platform."""
    return await service.list_experiments(session, viewer=viewer, page=page)


@router.post(
    "/{experiment}",
    operation_id="createExperiment",
    summary="Create an experiment",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, ExperimentExistsError),
)
async def create_experiment(
    experiment: Key, body: ExperimentBody, session: SessionDep, writer: WritingUser
) -> ExperimentOut:
    """Create an experiment; for admins of the platform."""
    return await service.create_experiment(session, viewer=writer, key=experiment, body=body)


@router.put(
    "/{experiment}",
    operation_id="replaceExperiment",
    summary="Replace an experiment",
    responses=problem_responses(*WRITES, ForbiddenError, NotFoundError),
)
async def replace_experiment(
    experiment: Key, body: ExperimentBody, session: SessionDep, writer: WritingUser
) -> ExperimentOut:
    """Replace or end an experiment; for admins of the platform. Changed weights move users between variants."""
    return await service.replace_experiment(session, viewer=writer, key=experiment, body=body)


@router.get(
    "/{experiment}/assignment",
    operation_id="getExperimentAssignment",
    summary="Get the experiment assignment",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get_assignment(experiment: Key, session: SessionDep, viewer: CurrentUser) -> ExperimentAssignment:
    """Get your variant. Users who refuse analytics have the control."""
    return await service.get_assignment(session, viewer=viewer, key=experiment)


@router.post(
    "/{experiment}/exposures",
    operation_id="recordExposure",
    summary="Record an exposure",
    responses=problem_responses(*WRITES, NotFoundError),
)
async def record_exposure(experiment: Key, session: SessionDep, viewer: IdempotentUser) -> ExposureOut:
    """Record that you were exposed to your variant."""
    return await service.record_exposure(session, viewer=viewer, key=experiment)
