"""``/analysis``: what a text says, and whether it should be shown."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.analysis import service
from transactional_api.analysis.schemas import Moderation, Sentiment, Spam, TextBody, Topics
from transactional_api.answers import InferenceDep
from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import InvalidRequestError, UnauthenticatedError, declare

router = APIRouter(prefix="/analysis", tags=["analysis"], route_class=TransactionalRoute)

ANSWERS = declare(UnauthenticatedError, InvalidRequestError)


@router.post("/sentiment", operation_id="analyseSentiment", responses=ANSWERS)
async def sentiment(body: TextBody, inference: InferenceDep, _viewer: ViewerDep) -> Sentiment:
    """Find out how a text sounds. It always answers, and says which path did."""
    return await service.sentiment(inference, body)


@router.post("/moderate", operation_id="moderateText", responses=ANSWERS)
async def moderate(body: TextBody, inference: InferenceDep, _viewer: ViewerDep) -> Moderation:
    """Find out what moderation would do with a text. It always answers, and says which path did."""
    return await service.moderate(inference, body)


@router.post("/topics", operation_id="findTopics", responses=ANSWERS)
async def topics(body: TextBody, session: SessionDep, inference: InferenceDep, _viewer: ViewerDep) -> Topics:
    """Find out what a text is about. It always answers, and says which path did."""
    return await service.topics(session, inference=inference, body=body)


@router.post("/spam-detection", operation_id="detectSpam", responses=ANSWERS)
async def detect_spam(body: TextBody, inference: InferenceDep, _viewer: ViewerDep) -> Spam:
    """Find out whether a text is spam. It always answers, and says which path did."""
    return await service.detect_spam(inference, body)
