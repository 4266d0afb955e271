"""``/analysis``: what a text says, and whether it should be shown."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.analysis import service
from transactional_api.analysis.schemas import Moderation, Sentiment, Spam, TextBody, Topics
from transactional_api.answers import InferenceDep
from transactional_api.auth import ViewerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import AskingRoute
from transactional_api.errors import InvalidRequestError, UnauthenticatedError, declare

router = APIRouter(prefix="/analysis", tags=["analysis"], route_class=AskingRoute)

ANSWERS = declare(UnauthenticatedError, InvalidRequestError)


@router.post("/sentiment", operation_id="analyseSentiment", responses=ANSWERS)
async def sentiment(body: TextBody, session: SessionDep, inference: InferenceDep, viewer: ViewerDep) -> Sentiment:
    """Find out how a text sounds. It always answers, and says which path did."""
    answering = service.sentiment(inference, body)
    return await service.logged(session, viewer=viewer, asked="sentiment", answering=answering)


@router.post("/moderate", operation_id="moderateText", responses=ANSWERS)
async def moderate(body: TextBody, session: SessionDep, inference: InferenceDep, viewer: ViewerDep) -> Moderation:
    """Find out what moderation would do with a text. It always answers, and says which path did."""
    answering = service.moderate(inference, body)
    return await service.logged(session, viewer=viewer, asked="moderate", answering=answering)


@router.post("/topics", operation_id="findTopics", responses=ANSWERS)
async def topics(body: TextBody, session: SessionDep, inference: InferenceDep, viewer: ViewerDep) -> Topics:
    """Find out what a text is about. It always answers, and says which path did."""
    answering = service.topics(session, inference=inference, body=body)
    return await service.logged(session, viewer=viewer, asked="topics", answering=answering)


@router.post("/spam-detection", operation_id="detectSpam", responses=ANSWERS)
async def detect_spam(body: TextBody, session: SessionDep, inference: InferenceDep, viewer: ViewerDep) -> Spam:
    """Find out whether a text is spam. It always answers, and says which path did."""
    answering = service.detect_spam(inference, viewer, body)
    return await service.logged(session, viewer=viewer, asked="spam-detection", answering=answering)
