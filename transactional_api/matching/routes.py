"""``/matching``: who and what fits you."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.answers import InferenceDep
from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import AskingRoute
from transactional_api.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnauthenticatedError, declare
from transactional_api.hot import RedisDep
from transactional_api.matching import mutual, service
from transactional_api.matching.schemas import (
    Assignment,
    CommunitiesBody,
    MatchBody,
    MatchedConnectors,
    MatchedInterests,
    MatchedNear,
    MatchedUsers,
    MutualBody,
)

router = APIRouter(prefix="/matching", tags=["matching"], route_class=AskingRoute)

ANSWERS = declare(UnauthenticatedError, InvalidRequestError)


@router.post("/users", operation_id="matchUsers", responses=ANSWERS)
async def users(asked: MatchBody, session: SessionDep, viewer: ViewerDep, inference: InferenceDep) -> MatchedUsers:
    """Find neighbours who fit you and whom you do not follow. It always answers, and says which path did."""
    return await service.match_users(session, viewer=viewer, inference=inference, limit=asked.limit)


@router.post(
    "/communities",
    operation_id="matchCommunities",
    responses=declare(UnauthenticatedError, InvalidRequestError, NotFoundError),
)
async def communities(
    asked: CommunitiesBody, session: SessionDep, viewer: ViewerDep, inference: InferenceDep
) -> MatchedConnectors:
    """Find connectors that fit you, or you and friends. It always answers, and says which path did."""
    return await service.match_connectors(session, viewer=viewer, inference=inference, asked=asked)


@router.post("/interests", operation_id="matchInterests", responses=ANSWERS)
async def interests(
    asked: MatchBody, session: SessionDep, viewer: ViewerDep, inference: InferenceDep
) -> MatchedInterests:
    """Find interests that you may share with those around you. It always answers, and says which path did."""
    return await service.match_interests(session, viewer=viewer, inference=inference, limit=asked.limit)


@router.post("/proximity", operation_id="matchProximity", responses=ANSWERS)
async def proximity(
    asked: MatchBody, session: SessionDep, redis: RedisDep, viewer: ViewerDep, inference: InferenceDep
) -> MatchedNear:
    """Find neighbours who live near you, as they say, and connectors and events near your home, in areas not metres.

    It always answers, and says which path did.
    """
    return await service.match_near(session, redis, viewer=viewer, inference=inference, limit=asked.limit)


@router.post(
    "/mutual",
    operation_id="matchMutually",
    responses=declare(UnauthenticatedError, InvalidRequestError, NotFoundError, ForbiddenError),
)
async def mutually(asked: MutualBody, session: SessionDep, viewer: ViewerDep, inference: InferenceDep) -> Assignment:
    """Share out places among members of a connector that you tend: seats in a car, tools to lend. Nothing is kept."""
    return await mutual.share_out(session, viewer=viewer, inference=inference, asked=asked)
