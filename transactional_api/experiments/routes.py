"""``/experiments``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from transactional_api.auth import ReporterDep, ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.experiments import service
from transactional_api.experiments.schemas import (
    Assignment,
    ExperimentBody,
    ExperimentKey,
    ExperimentOut,
    ExposureOut,
)
from transactional_api.experiments.service import ExperimentExistsError
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.paging import Page, PageDep

router = APIRouter(prefix="/experiments", tags=["experiments"], route_class=TransactionalRoute)

WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)
Key = Annotated[ExperimentKey, Path(examples=["larger-pictures"])]


@router.get(
    "",
    operation_id="listExperiments",
    responses=declare(UnauthenticatedError, ForbiddenError, InvalidRequestError, InvalidCursorError),
)
async def list_experiments(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[ExperimentOut]:
    """List all experiments, the last first; for admins of the platform."""
    return await service.find(session, viewer=viewer, page=page)


@router.post(
    "/{experiment}",
    operation_id="beginExperiment",
    status_code=201,
    responses=declare(*WRITES, ForbiddenError, ExperimentExistsError),
)
async def begin(experiment: Key, body: ExperimentBody, session: SessionDep, writer: WriterDep) -> ExperimentOut:
    """Begin an experiment; for admins of the platform."""
    return await service.begin(session, viewer=writer, key=experiment, body=body)


@router.put(
    "/{experiment}", operation_id="replaceExperiment", responses=declare(*WRITES, ForbiddenError, NotFoundError)
)
async def replace(experiment: Key, body: ExperimentBody, session: SessionDep, writer: WriterDep) -> ExperimentOut:
    """Change or end an experiment; for admins of the platform. Other weights move people between variants."""
    return await service.replace(session, viewer=writer, key=experiment, body=body)


@router.get(
    "/{experiment}/assignment",
    operation_id="getAssignment",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def assignment(experiment: Key, session: SessionDep, viewer: ViewerDep) -> Assignment:
    """See which variant you have. Who refuses analytics has the first one."""
    return await service.assignment(session, viewer=viewer, key=experiment)


@router.post("/{experiment}/exposures", operation_id="reportExposure", responses=declare(*WRITES, NotFoundError))
async def expose(experiment: Key, session: SessionDep, viewer: ReporterDep) -> ExposureOut:
    """Say that you have just met your variant."""
    return await service.expose(session, viewer=viewer, key=experiment)
