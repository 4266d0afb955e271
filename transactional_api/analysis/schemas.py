"""Texts to analyse, and what was found in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from neighborconnect.contracts.content import MAX_TEXT, Entity, Feeling, Highlight, Verdict
from transactional_api.answers import Answered
from transactional_api.text import RequestBody, Text


class TextBody(RequestBody):
    """One text."""

    text: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TEXT)] = Field(
        examples=["What a lovely afternoon at the seed swap, thank you all!"]
    )


class Sentiment(Answered):
    """How a text sounds."""

    label: Feeling = Field(examples=["positive"])
    score: float = Field(description="From -1, negative, to 1, positive.", examples=[0.71])


class Moderation(Answered):
    """What moderation would do with a text."""

    verdict: Verdict = Field(examples=["allow"])
    categories: dict[str, float] = Field(
        description="How likely it is of each kind that is not wanted, from 0 to 1.", examples=[{"insult": 0.02}]
    )
    highlights: list[Highlight] = Field(
        default=[], description="The words that speak for it, those first that count for most; of a model only."
    )


class Topic(BaseModel):
    """One topic."""

    topic: str = Field(examples=["gardening"])
    score: float = Field(examples=[0.64])


class Topics(Answered):
    """What a text is about, the strongest topic first."""

    topics: list[Topic]
    entities: list[Entity] = Field(
        default=[], description="People, places, organisations, dates and prices that it names; of a model only."
    )
    language: str | None = Field(
        default=None, description="ISO 639-1, where it is sure; of a model only.", examples=["en"]
    )


class Spam(Answered):
    """Whether a text is spam."""

    is_spam: bool = Field(examples=[False])
    score: float = Field(description="From 0 to 1.", examples=[0.08])
    signals: list[str] = Field(description="What speaks for it.", examples=[["many_links"]])
