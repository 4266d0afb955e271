"""Request and response models of changes of champions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from transactional_api.core.text import Line, RequestBody

RegistryVersion = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]
"""Number of a version in MLflow."""


class Action(StrEnum):
    """Kinds of changes."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"


class State(StrEnum):
    """States of a change; at most one change of a model is waiting or running."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ModelChangeBody(RequestBody):
    """Change that an admin requests."""

    action: Action
    version: RegistryVersion | None = None
    is_forced: StrictBool = False
    reason: Annotated[Line, StringConstraints(min_length=1, max_length=500)]


class ModelChangeOut(BaseModel):
    """Requested change of a champion."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"])
    model: str = Field(examples=["post_recommender"])
    action: Action = Field(examples=["rollback"])
    version: str | None = Field(
        description="Number in MLflow; null for the version that the champion replaced.", examples=["3"]
    )
    is_forced: bool = Field(description="Whether a version that its gate refused may be served.", examples=[False])
    reason: str = Field(examples=["more hides since yesterday"])
    requested_by: UUID | None = Field(
        description="Admin; null after their erasure.", examples=["5b0c7f0e-5d0e-4a53-9f57-4b6a0f6f6f11"]
    )


class ClaimedChange(BaseModel):
    """Change that the caller must make; null without one."""

    change: ModelChangeOut | None


class ModelChangeResult(RequestBody):
    """Result of a change."""

    is_done: StrictBool = Field(description="Whether the champion has changed.", examples=[True])
    version: RegistryVersion | None = Field(
        default=None, description="Number of the new champion in MLflow.", examples=["3"]
    )
    detail: Annotated[str, StringConstraints(max_length=2_000)] = Field(
        default="", description="Error, or services that did not load the champion yet.", examples=[""]
    )
