"""``/analysis``: sentiment, moderation, topics and spam of a text."""

from __future__ import annotations

from fastapi import APIRouter

from transactional_api.core.db.statements import ReadsDep
from transactional_api.core.errors import InvalidRequestError, UnauthenticatedError, problem_responses
from transactional_api.core.http.auth import CurrentUser
from transactional_api.core.http.unit_of_work import ReadOnlyRoute
from transactional_api.core.inference.client import InferenceDep
from transactional_api.intelligence.text_analysis import service
from transactional_api.intelligence.text_analysis.schemas import Moderation, Sentiment, Spam, TextBody, Topics

router = APIRouter(prefix="/analysis", tags=["analysis"], route_class=ReadOnlyRoute)

RESPONSES = problem_responses(UnauthenticatedError, InvalidRequestError)


@router.post("/sentiment", operation_id="analyzeSentiment", summary="Analyze sentiment", responses=RESPONSES)
async def sentiment(body: TextBody, reads: ReadsDep, inference: InferenceDep, viewer: CurrentUser) -> Sentiment:
    """Analyze the sentiment of a text. Rules are the fallback; `source` names the source."""
    prediction = service.sentiment(inference, body)
    return await service.log_prediction(reads, viewer=viewer, task="sentiment", prediction=prediction)


@router.post("/moderate", operation_id="moderateText", summary="Moderate a text", responses=RESPONSES)
async def moderate(body: TextBody, reads: ReadsDep, inference: InferenceDep, viewer: CurrentUser) -> Moderation:
    """Get the moderation verdict of a text. Rules are the fallback; `source` names the source."""
    prediction = service.moderate(inference, body)
    return await service.log_prediction(reads, viewer=viewer, task="moderate", prediction=prediction)


@router.post("/topics", operation_id="extractTopics", summary="Extract topics", responses=RESPONSES)
async def topics(body: TextBody, reads: ReadsDep, inference: InferenceDep, viewer: CurrentUser) -> Topics:
    """Extract the topics of a text. Rules are the fallback; `source` names the source."""
    prediction = service.topics(reads, inference=inference, body=body)
    return await service.log_prediction(reads, viewer=viewer, task="topics", prediction=prediction)


@router.post("/spam-detection", operation_id="detectSpam", summary="Detect spam", responses=RESPONSES)
async def detect_spam(body: TextBody, reads: ReadsDep, inference: InferenceDep, viewer: CurrentUser) -> Spam:
    """Detect spam. Rules are the fallback; `source` names the source."""
    prediction = service.detect_spam(inference, viewer, body)
    return await service.log_prediction(reads, viewer=viewer, task="spam-detection", prediction=prediction)
