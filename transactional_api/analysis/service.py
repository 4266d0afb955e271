"""What a text says: the content model's answer, or the rules' when there is none."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import (
    ModelAnswer,
    ModerationAnswer,
    SentimentAnswer,
    SpamAnswer,
    SpamRequest,
    TextRequest,
    TopicsAnswer,
)
from transactional_api.analysis import rules
from transactional_api.analysis.schemas import Moderation, Sentiment, Spam, TextBody, Topic, Topics
from transactional_api.answers import Answered, Path
from transactional_api.auth import Viewer
from transactional_api.db.session import let_go
from transactional_api.db.tables import Connector
from transactional_api.inference import InferenceClient, InferenceError, Service
from transactional_api.judgements import Question

MAX_KNOWN_TOPICS = 500

Out = TypeVar("Out", bound=Answered)


_NOT_KEPT = {"path", "reason_code", "model_version", "entities"}
"""Of an answer: what its judgement says anyway, and what repeats the words of the text."""


async def logged(session: AsyncSession, *, viewer: Viewer, asked: str, answering: Awaitable[Out]) -> Out:
    """Await an answer, and keep what it says as a judgement where the viewer lets us."""
    question = Question(Service.CONTENT, asked, viewer.id)
    await let_go(session)
    out = await answering
    if viewer.watched:
        told = out.model_dump(mode="json", exclude=_NOT_KEPT)
        await question.log(session, told, version=out.model_version, reason=out.reason_code)
    return out


async def sentiment(inference: InferenceClient, body: TextBody) -> Sentiment:
    """Say how a text sounds."""
    answer = await _ask(inference, "/sentiment", TextRequest(text=body.text), SentimentAnswer)
    if isinstance(answer, InferenceError):
        label, score = rules.sentiment(body.text)
        return _ruled(Sentiment, answer, label=label, score=score)
    return _answered(Sentiment, answer)


async def moderate(inference: InferenceClient, body: TextBody) -> Moderation:
    """Say what moderation would do with a text."""
    answer = await _ask(inference, "/moderate", TextRequest(text=body.text), ModerationAnswer)
    if isinstance(answer, InferenceError):
        verdict, categories = rules.moderation(body.text)
        return _ruled(Moderation, answer, verdict=verdict, categories=categories)
    return _answered(Moderation, answer)


async def topics(session: AsyncSession, *, inference: InferenceClient, body: TextBody) -> Topics:
    """Say what a text is about; the rules know the categories of public connectors."""
    answer = await _ask(inference, "/topics", TextRequest(text=body.text), TopicsAnswer)
    if isinstance(answer, InferenceError):
        known = await session.scalars(
            select(Connector.category)
            .where(Connector.is_public.is_(True), Connector.is_active.is_(True))
            .distinct()
            .order_by(Connector.category)
            .limit(MAX_KNOWN_TOPICS)
        )
        found = [Topic(topic=name, score=score) for name, score in rules.topics(body.text, known=known)]
        return _ruled(Topics, answer, topics=found)
    return _answered(Topics, answer)


async def detect_spam(inference: InferenceClient, viewer: Viewer, body: TextBody) -> Spam:
    """Say whether a text of the viewer's is spam."""
    who = str(viewer.id) if viewer.personalised else None
    answer = await _ask(inference, "/spam-detection", SpamRequest(text=body.text, user_id=who), SpamAnswer)
    if isinstance(answer, InferenceError):
        score, signals = rules.spam(body.text)
        return _ruled(Spam, answer, is_spam=rules.is_spam(score), score=score, signals=signals)
    return _answered(Spam, answer)


Answer = TypeVar("Answer", bound=ModelAnswer)


async def _ask(
    inference: InferenceClient, path: str, request: TextRequest, answer: type[Answer]
) -> Answer | InferenceError:
    try:
        return await inference.ask(Service.CONTENT, path, request, answer)
    except InferenceError as error:
        return error


def _answered(out: type[Out], answer: BaseModel) -> Out:
    return out(path=Path.MODEL, reason_code=None, **answer.model_dump())


def _ruled(out: type[Out], error: InferenceError, **found: Any) -> Out:
    return out(path=Path.RULES, reason_code=error.reason.value, model_version=None, **found)
