"""The wire between the API and the content bento: what a text says, and whether it should be shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 10_000
MAX_TEXTS = 64
DIMENSIONS = 384


class TextRequest(BaseModel):
    """One text: ``POST /sentiment``, ``/moderate``, ``/topics``, ``/spam-detection``, body ``{"request": ...}``."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_TEXT)


class Feeling(StrEnum):
    """How a text sounds."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Verdict(StrEnum):
    """What moderation would do with a text: show it, ask a person, or keep it back."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


class ModelAnswer(BaseModel):
    """What every answer of a model says of itself."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str


class SentimentAnswer(ModelAnswer):
    """How a text sounds; ``score`` from -1 (negative) to 1 (positive)."""

    label: Feeling
    score: float = Field(ge=-1, le=1)


class ModerationAnswer(ModelAnswer):
    """What to do with a text, and how likely (0 to 1) it is of each kind that is not wanted."""

    verdict: Verdict
    categories: dict[str, float]


class TopicScore(BaseModel):
    """One topic of a text, from 0 to 1."""

    topic: str
    score: float = Field(ge=0, le=1)


class TopicsAnswer(ModelAnswer):
    """What a text is about, the strongest topic first."""

    topics: list[TopicScore]


class SpamAnswer(ModelAnswer):
    """How likely (0 to 1) a text is spam, and what speaks for it."""

    is_spam: bool
    score: float = Field(ge=0, le=1)
    signals: list[str]


class EmbedRequest(BaseModel):
    """Texts to turn into vectors: ``POST /embed``."""

    model_config = ConfigDict(extra="forbid")

    texts: list[Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]] = Field(
        min_length=1, max_length=MAX_TEXTS
    )


class EmbedAnswer(ModelAnswer):
    """A vector of length one for each text, in order; vectors of one ``model_version`` may be compared."""

    embeddings: list[Annotated[list[float], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]]
