"""Wire format between the API and the content service: sentiment, moderation, topics, spam and embeddings of texts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 10_000
MAX_TEXTS = 64
DIMENSIONS = 384


class TextRequest(BaseModel):
    """One text: ``POST /sentiment``, ``/moderate``, ``/topics``, body ``{"request": ...}``."""

    model_config = ConfigDict(extra="ignore")

    text: str = Field(min_length=1, max_length=MAX_TEXT)


class SpamRequest(TextRequest):
    """One text and, where known, its author and the age of their account in days: ``POST /spam-detection``."""

    user_id: str | None = None
    account_days: float | None = Field(default=None, ge=0)


class SentimentLabel(StrEnum):
    """Sentiment of a text."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Verdict(StrEnum):
    """Moderation decision: publish, send to a moderator, or hold until a moderator decides."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


class ModelResponse(BaseModel):
    """Fields of every response of a model."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    features_age_ms: int | None = None
    """Age of the oldest stored features that the response used; None if it used none."""


class SentimentResponse(ModelResponse):
    """Sentiment of a text; ``score`` from -1 (negative) to 1 (positive)."""

    label: SentimentLabel
    score: float = Field(ge=-1, le=1)


class Highlight(BaseModel):
    """Span of a text in characters; ``weight`` (0 to 1) is its share of the evidence."""

    begin: int = Field(ge=0, examples=[4])
    end: int = Field(ge=0, examples=[9])
    weight: float = Field(ge=0, le=1, examples=[0.42])


class ModerationResponse(ModelResponse):
    """Moderation verdict of a text, the probability (0 to 1) of each category, and the words that caused it.

    ``offers_help`` is whether the author writes about harming themselves, and is to be offered help.
    """

    verdict: Verdict
    categories: dict[str, float]
    highlights: list[Highlight] = []
    offers_help: bool = False


class TopicScore(BaseModel):
    """Topic of a text, with a score from 0 to 1."""

    topic: str
    score: float = Field(ge=0, le=1)


class Entity(BaseModel):
    """Named entity: a person, place, organization, date or price."""

    kind: str = Field(examples=["location"])
    text: str = Field(examples=["Dean Street"])
    begin: int = Field(ge=0, description="First character.", examples=[19])
    end: int = Field(ge=0, description="One past the last character.", examples=[30])


class TopicsResponse(ModelResponse):
    """Topics of a text by descending score, its named entities, and its language (ISO 639-1) where it is certain."""

    topics: list[TopicScore]
    entities: list[Entity] = []
    language: str | None = None


class SpamResponse(ModelResponse):
    """Probability (0 to 1) that a text is spam, and the signals that were observed."""

    is_spam: bool
    score: float = Field(ge=0, le=1)
    signals: list[str]


class EmbedRequest(BaseModel):
    """Texts to embed: ``POST /embed``."""

    model_config = ConfigDict(extra="ignore")

    texts: list[Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]] = Field(
        min_length=1, max_length=MAX_TEXTS
    )


class EmbedResponse(ModelResponse):
    """Unit vector of each text, in order; vectors are comparable within one ``model_version``."""

    embeddings: list[Annotated[list[float], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]]
