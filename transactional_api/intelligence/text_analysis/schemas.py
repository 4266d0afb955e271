"""Request and response models of text analysis."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from neighborconnect.contracts.content import MAX_TEXT, Entity, Highlight, SentimentLabel, Verdict
from transactional_api.core.inference.client import PredictionResult
from transactional_api.core.text import RequestBody, Text


class TextBody(RequestBody):
    """Text to analyze."""

    text: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TEXT)] = Field(
        examples=["What a lovely afternoon at the seed swap, thank you all!"]
    )


class Sentiment(PredictionResult):
    """Sentiment of a text."""

    label: SentimentLabel = Field(examples=["positive"])
    score: float = Field(description="From -1 (negative) to 1 (positive).", examples=[0.71])


class Moderation(PredictionResult):
    """Moderation verdict of a text."""

    verdict: Verdict = Field(examples=["allow"])
    categories: dict[str, float] = Field(
        description="Probability of each unwanted category, from 0 to 1.", examples=[{"insult": 0.02}]
    )
    highlights: list[Highlight] = Field(
        default=[], description="Spans that contribute most to the verdict, strongest first; only from a model."
    )
    offers_help: bool = Field(
        default=False,
        description="Whether the author writes about harming themselves, and is offered help.",
        examples=[False],
    )


class Topic(BaseModel):
    """Topic with its score."""

    topic: str = Field(examples=["gardening"])
    score: float = Field(examples=[0.64])


class Topics(PredictionResult):
    """Topics of a text, strongest first."""

    topics: list[Topic]
    entities: list[Entity] = Field(
        default=[], description="Named people, places, organizations, dates and prices; only from a model."
    )
    language: str | None = Field(
        default=None, description="ISO 639-1 code, if detected reliably; only from a model.", examples=["en"]
    )


class Spam(PredictionResult):
    """Spam classification of a text."""

    is_spam: bool = Field(examples=[False])
    score: float = Field(description="From 0 to 1.", examples=[0.08])
    signals: list[str] = Field(description="Signals of spam.", examples=[["many_links"]])
