"""What an answer that a model may give says of itself: which path gave it, and why not the better one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from transactional_api.inference import InferenceClient


class Path(StrEnum):
    """Who answered: a model, or the rules that stand in for it."""

    MODEL = "model"
    RULES = "rules"


class Answered(BaseModel):
    """The part that every such answer has."""

    model_config = ConfigDict(protected_namespaces=())

    path: Path = Field(description="`rules`: no model answered in time.", examples=["model"])
    reason_code: str | None = Field(description="Why no model answered; null when one did.", examples=[None])
    model_version: str | None = Field(description="Null when no model answered.", examples=["3"])


async def _inference(request: Request) -> InferenceClient:
    client: InferenceClient = request.app.state.inference
    return client


InferenceDep = Annotated[InferenceClient, Depends(_inference)]
"""The client of the model services."""
