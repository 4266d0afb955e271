"""``/experiments``: experiments, assignments and exposures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from transactional_api.core.cache import RedisDep
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
from transactional_api.identity.users.platform import PlatformDep, PlatformOnlyError
from transactional_api.identity.users.throttle import TooManyAttemptsError
from transactional_api.intelligence.experiments import ranking, service
from transactional_api.intelligence.experiments.schemas import (
    ExperimentAssignment,
    ExperimentBody,
    ExperimentKey,
    ExperimentOut,
    ExposureOut,
    ReadoutBody,
    RunningExperiments,
    StoppedBody,
)
from transactional_api.intelligence.experiments.service import ExperimentConflictError, ExperimentExistsError

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


@router.get(
    "/platform",
    operation_id="listRunningExperiments",
    summary="List running experiments (platform)",
    responses=problem_responses(PlatformOnlyError, InvalidRequestError, TooManyAttemptsError),
)
async def running_experiments(_platform: PlatformDep, session: SessionDep) -> RunningExperiments:
    """Return the definitions of active experiments, for readouts."""
    return RunningExperiments(experiments=await service.running(session))


@router.put(
    "/{experiment}/readout/platform",
    operation_id="storeExperimentReadout",
    summary="Store the readout of an experiment (platform)",
    status_code=204,
    responses=problem_responses(PlatformOnlyError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def store_readout(
    _platform: PlatformDep, experiment: Key, body: ReadoutBody, session: SessionDep, redis: RedisDep
) -> None:
    """Store a readout; `stop_reason` stops the experiment, and everybody gets the published ranking."""
    ranking.forget_after_commit(session, redis)
    await service.store_readout(session, key=experiment, body=body)


@router.post(
    "/{experiment}/stop",
    operation_id="stopExperiment",
    summary="Stop an experiment",
    status_code=204,
    responses=problem_responses(*WRITES, ForbiddenError, NotFoundError),
)
async def stop_experiment(
    experiment: Key, body: StoppedBody, session: SessionDep, writer: WritingUser, redis: RedisDep
) -> None:
    """Stop an experiment at once, with a reason; for admins of the platform."""
    ranking.forget_after_commit(session, redis)
    await service.stop_experiment(session, viewer=writer, key=experiment, reason=body.reason)


@router.post(
    "/{experiment}",
    operation_id="createExperiment",
    summary="Create an experiment",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, ExperimentExistsError, ExperimentConflictError),
)
async def create_experiment(
    experiment: Key, body: ExperimentBody, session: SessionDep, writer: WritingUser, redis: RedisDep
) -> ExperimentOut:
    """Create an experiment; for admins of the platform."""
    ranking.forget_after_commit(session, redis)
    return await service.create_experiment(session, viewer=writer, key=experiment, body=body)


@router.put(
    "/{experiment}",
    operation_id="replaceExperiment",
    summary="Replace an experiment",
    responses=problem_responses(*WRITES, ForbiddenError, NotFoundError, ExperimentConflictError),
)
async def replace_experiment(
    experiment: Key, body: ExperimentBody, session: SessionDep, writer: WritingUser, redis: RedisDep
) -> ExperimentOut:
    """Replace or end an experiment; for admins of the platform. Changed weights move users between variants."""
    ranking.forget_after_commit(session, redis)
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
