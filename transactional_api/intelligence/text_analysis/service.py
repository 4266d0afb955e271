"""Analysis of texts by the content model, or by rules as a fallback."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select

from neighborconnect.contracts.content import (
    ModelResponse,
    ModerationResponse,
    SentimentResponse,
    SpamRequest,
    SpamResponse,
    TextRequest,
    TopicsResponse,
)
from transactional_api.core.db.statements import Reads
from transactional_api.core.db.tables import Connector
from transactional_api.core.inference.client import (
    InferenceClient,
    InferenceError,
    PredictionResult,
    PredictionSource,
    Service,
)
from transactional_api.core.inference.prediction_log import PredictionLogEntry
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.text_analysis import rules
from transactional_api.intelligence.text_analysis.schemas import Moderation, Sentiment, Spam, TextBody, Topic, Topics

MAX_KNOWN_TOPICS = 500

Out = TypeVar("Out", bound=PredictionResult)


_NOT_LOGGED = {"source", "reason_code", "model_version", "features_age_ms", "entities"}
"""Fields that the log entry has anyway, or that repeat words of the text."""


async def log_prediction(reads: Reads, *, viewer: Viewer, task: str, prediction: Awaitable[Out]) -> Out:
    """Await a prediction, and log it if the viewer consents to tracking."""
    log_entry = PredictionLogEntry(Service.CONTENT, task, viewer.id)
    await reads.release()
    result = await prediction
    if viewer.has_tracking_consent:
        output = result.model_dump(mode="json", exclude=_NOT_LOGGED)
        await log_entry.log(reads.runner, output, version=result.model_version, reason=result.reason_code)
    return result


async def sentiment(inference: InferenceClient, body: TextBody) -> Sentiment:
    """Return the sentiment of a text."""
    answer = await _ask(inference, "/sentiment", TextRequest(text=body.text), SentimentResponse)
    if isinstance(answer, InferenceError):
        label, score = rules.sentiment(body.text)
        return _from_rules(Sentiment, answer, label=label, score=score)
    return _from_model(Sentiment, answer)


async def moderate(inference: InferenceClient, body: TextBody) -> Moderation:
    """Return the moderation verdict of a text."""
    answer = await _ask(inference, "/moderate", TextRequest(text=body.text), ModerationResponse)
    if isinstance(answer, InferenceError):
        verdict, categories = rules.moderation(body.text)
        return _from_rules(Moderation, answer, verdict=verdict, categories=categories)
    return _from_model(Moderation, answer)


async def topics(reads: Reads, *, inference: InferenceClient, body: TextBody) -> Topics:
    """Return the topics of a text; the fallback rules use the categories of public connectors."""
    answer = await _ask(inference, "/topics", TextRequest(text=body.text), TopicsResponse)
    if isinstance(answer, InferenceError):
        categories = await reads.session.scalars(
            select(Connector.category)
            .where(Connector.is_public.is_(True), Connector.is_active.is_(True))
            .group_by(Connector.category)
            .order_by(Connector.category.collate("C"))
            .limit(MAX_KNOWN_TOPICS)
        )
        topic_list = [Topic(topic=name, score=score) for name, score in rules.topics(body.text, known=categories)]
        return _from_rules(Topics, answer, topics=topic_list)
    return _from_model(Topics, answer)


async def detect_spam(inference: InferenceClient, viewer: Viewer, body: TextBody) -> Spam:
    """Return whether a text of the viewer is spam."""
    user_id = str(viewer.id) if viewer.personalised else None
    answer = await _ask(inference, "/spam-detection", SpamRequest(text=body.text, user_id=user_id), SpamResponse)
    if isinstance(answer, InferenceError):
        score, signals = rules.spam(body.text)
        return _from_rules(Spam, answer, is_spam=rules.is_spam(score), score=score, signals=signals)
    return _from_model(Spam, answer)


Answer = TypeVar("Answer", bound=ModelResponse)


async def _ask(
    inference: InferenceClient, path: str, request: TextRequest, answer: type[Answer]
) -> Answer | InferenceError:
    try:
        return await inference.ask(Service.CONTENT, path, request, answer)
    except InferenceError as error:
        return error


def _from_model(out: type[Out], answer: BaseModel) -> Out:
    return out(source=PredictionSource.MODEL, reason_code=None, **answer.model_dump())


def _from_rules(out: type[Out], error: InferenceError, **fields: Any) -> Out:
    return out(source=PredictionSource.RULES, reason_code=error.reason.value, model_version=None, **fields)
