"""``/matching``: users, connectors, interests and assignments that suit the viewer."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.core.cache import RedisDep
from transactional_api.core.db.statements import ReadsDep
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import ReadOnlyRoute
from transactional_api.core.inference.client import InferenceDep
from transactional_api.intelligence.matching import mutual, service
from transactional_api.intelligence.matching.schemas import (
    ConnectorMatchBody,
    MatchAssignment,
    MatchBody,
    MatchedConnectors,
    MatchedInterests,
    MatchedUsers,
    MutualBody,
    ProximityMatches,
)

router = APIRouter(prefix="/matching", tags=["matching"], route_class=ReadOnlyRoute)

RESPONSES = problem_responses(UnauthenticatedError, InvalidRequestError)


@router.post("/users", operation_id="matchUsers", summary="Match users", responses=RESPONSES)
async def users(body: MatchBody, reads: ReadsDep, viewer: CurrentUser, inference: InferenceDep) -> MatchedUsers:
    """Match neighbors whom you do not follow. Rules are the fallback; `source` names the source."""
    return await service.match_users(reads, viewer=viewer, inference=inference, limit=body.limit)


@router.post(
    "/communities",
    operation_id="matchConnectors",
    summary="Match connectors",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, NotFoundError),
)
async def communities(
    body: ConnectorMatchBody, reads: ReadsDep, viewer: CurrentUser, inference: InferenceDep
) -> MatchedConnectors:
    """Match connectors for you, or for you and friends. Rules are the fallback; `source` names the source."""
    return await service.match_connectors(reads, viewer=viewer, inference=inference, body=body)


@router.post("/interests", operation_id="matchInterests", summary="Match interests", responses=RESPONSES)
async def interests(body: MatchBody, reads: ReadsDep, viewer: CurrentUser, inference: InferenceDep) -> MatchedInterests:
    """Match interests of users around you. Rules are the fallback; `source` names the source."""
    return await service.match_interests(reads, viewer=viewer, inference=inference, limit=body.limit)


@router.post(
    "/proximity", operation_id="matchNearby", summary="Match nearby users, connectors and events", responses=RESPONSES
)
async def proximity(
    body: MatchBody, reads: ReadsDep, redis: RedisDep, viewer: CurrentUser, inference: InferenceDep
) -> ProximityMatches:
    """Match neighbors by stated neighborhood, and connectors and events near your home by area.

    Rules are the fallback; `source` names the source. Distances are never disclosed.
    """
    return await service.match_nearby(reads, redis, viewer=viewer, inference=inference, limit=body.limit)


@router.post(
    "/mutual",
    operation_id="assignMatches",
    summary="Assign offers to seekers",
    responses=problem_responses(UnauthenticatedError, InvalidRequestError, NotFoundError, ForbiddenError),
)
async def assign_matches(
    body: MutualBody, reads: ReadsDep, viewer: CurrentUser, inference: InferenceDep
) -> MatchAssignment:
    """Assign offers to seekers among the members of a connector that you moderate. Nothing is stored."""
    return await mutual.assign_matches(reads, viewer=viewer, inference=inference, body=body)
