"""``/recommendations/{request_id}``: explanation and replay of an answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from transactional_api.core.db.statements import ReadsDep, RunnerDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import ReadOnlyRoute, TransactionalRoute
from transactional_api.intelligence.recommendations import decisions
from transactional_api.intelligence.recommendations.decisions import FeedExplanation
from transactional_api.intelligence.recommendations.replay import FeedReplay, ReplayRequest, replay
from transactional_api.intelligence.recommendations.routes import RankingClientsDep

router = APIRouter(prefix="/recommendations", tags=["recommendations"], route_class=ReadOnlyRoute)
audited_router = APIRouter(prefix="/recommendations", tags=["recommendations"], route_class=TransactionalRoute)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
RequestIdPath = Annotated[UUID, Path(description="`request_id` of the feed.")]


@router.get(
    "/{request_id}",
    operation_id="explainFeed",
    summary="Explain an answer of a feed",
    responses=problem_responses(*READS),
)
async def explain(request_id: RequestIdPath, reads: ReadsDep, viewer: CurrentUser) -> FeedExplanation:
    """Explain a feed that you got within the last 7 days. Without consent to tracking, feeds have no record."""
    return decisions.explain(await decisions.get_own(reads.runner, viewer=viewer, request_id=request_id))


@audited_router.post(
    "/{request_id}/replay",
    operation_id="replayFeed",
    summary="Replay an answer of a feed",
    responses=problem_responses(*READS, ForbiddenError, KeyReusedError, KeyInUseError),
)
async def replay_feed(
    request_id: RequestIdPath,
    body: ReplayRequest,
    runner: RunnerDep,
    viewer: WritingUser,
    clients: RankingClientsDep,
) -> FeedReplay:
    """Build an answer again from its record and compare both; for admins of the platform."""
    return await replay(runner, viewer=viewer, inference=clients.inference, request_id=request_id, body=body)
