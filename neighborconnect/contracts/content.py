"""The wire between the API and the content bento: what a text says, and whether it should be shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TEXT = 10_000
MAX_TEXTS = 64
DIMENSIONS = 384


class TextRequest(BaseModel):
    """One text: ``POST /sentiment``, ``/moderate``, ``/topics``, body ``{"request": ...}``."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_TEXT)


class SpamRequest(TextRequest):
    """One text and, where known, who wrote it: ``POST /spam-detection``."""

    user_id: str | None = None
    account_days: float | None = Field(default=None, ge=0)


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


class Highlight(BaseModel):
    """A part of a text, in characters, and how much (0 to 1) less likely it were unwanted without it."""

    begin: int = Field(ge=0, examples=[4])
    end: int = Field(ge=0, examples=[9])
    weight: float = Field(ge=0, le=1, examples=[0.42])


class ModerationAnswer(ModelAnswer):
    """What to do with a text, how likely (0 to 1) it is of each kind that is not wanted, and for which words."""

    verdict: Verdict
    categories: dict[str, float]
    highlights: list[Highlight] = []


class TopicScore(BaseModel):
    """One topic of a text, from 0 to 1."""

    topic: str
    score: float = Field(ge=0, le=1)


class Entity(BaseModel):
    """Something that a text names: a person, a place, an organisation, a date, a price."""

    kind: str = Field(examples=["location"])
    text: str = Field(examples=["Dean Street"])
    begin: int = Field(ge=0, description="First character.", examples=[19])
    end: int = Field(ge=0, description="One past the last character.", examples=[30])


class TopicsAnswer(ModelAnswer):
    """What a text is about, the strongest topic first, what it names, and its language (ISO 639-1) where sure."""

    topics: list[TopicScore]
    entities: list[Entity] = []
    language: str | None = None


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
