"""``/recommendations``: personal feeds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import AskingRoute
from transactional_api.errors import InvalidRequestError, UnauthenticatedError, declare
from transactional_api.recommendations import offers, service
from transactional_api.recommendations.ranking import Recommender
from transactional_api.recommendations.schemas import ConnectorItem, EventItem, Feed, FeedRequest, OfferItem, PostItem

router = APIRouter(prefix="/recommendations", tags=["recommendations"], route_class=AskingRoute)

ANSWERS = declare(UnauthenticatedError, InvalidRequestError)


async def _recommender(request: Request) -> Recommender:
    recommender: Recommender = request.app.state.recommender
    return recommender


RecommenderDep = Annotated[Recommender, Depends(_recommender)]


@router.post("/content", operation_id="recommendContent", responses=ANSWERS)
async def content(
    asked: FeedRequest, session: SessionDep, viewer: ViewerDep, recommender: RecommenderDep
) -> Feed[PostItem]:
    """Get your personal feed of posts. It always answers, and says which path did."""
    return await service.content_feed(session, viewer=viewer, recommender=recommender, asked=asked)


@router.post("/connectors", operation_id="recommendConnectors", responses=ANSWERS)
async def connectors(
    asked: FeedRequest, session: SessionDep, viewer: ViewerDep, recommender: RecommenderDep
) -> Feed[ConnectorItem]:
    """Get connectors that you may want to join. It always answers, and says which path did."""
    return await service.connector_feed(session, viewer=viewer, recommender=recommender, asked=asked)


@router.post("/events", operation_id="recommendEvents", responses=ANSWERS)
async def events(asked: FeedRequest, session: SessionDep, viewer: ViewerDep) -> Feed[EventItem]:
    """Get events to come that you may want to go to. Rules choose them, and the answer says so."""
    return await offers.event_feed(session, viewer=viewer, asked=asked)


@router.post("/marketplace", operation_id="recommendItems", responses=ANSWERS)
async def marketplace(asked: FeedRequest, session: SessionDep, viewer: ViewerDep) -> Feed[OfferItem]:
    """Get items that you may want to have. Rules choose them, and the answer says so."""
    return await offers.offer_feed(session, viewer=viewer, asked=asked)
