"""Experiments on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints, model_validator

from transactional_api.text import Line, RequestBody

ExperimentKey = Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{1,99}$")]
MAX_VARIANTS = 10


class Variant(RequestBody):
    """One way that it can be, and how many of the people get it, relative to the others."""

    name: Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")] = Field(examples=["control"])
    weight: StrictInt = Field(ge=0, le=10_000, examples=[50])


class ExperimentBody(RequestBody):
    """What is tried out. The first variant is what everybody has without the experiment."""

    variants: list[Variant] = Field(
        min_length=2,
        max_length=MAX_VARIANTS,
        examples=[[{"name": "control", "weight": 50}, {"name": "larger_pictures", "weight": 50}]],
    )
    is_active: StrictBool = Field(default=True, examples=[True])

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("Each variant needs a name of its own")
        if not any(variant.weight for variant in self.variants):
            raise ValueError("At least one variant needs a weight")
        return self


class ExperimentOut(BaseModel):
    """An experiment."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(examples=["larger-pictures"])
    variants: list[Variant]
    is_active: bool = Field(examples=[True])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class Assignment(BaseModel):
    """Which variant you have. It is the same every time, wherever it is asked for."""

    experiment: str = Field(examples=["larger-pictures"])
    variant: str = Field(examples=["larger_pictures"])
    reason: str = Field(
        description="`assigned`; `inactive` or `no_consent` where everybody, or you, has the first variant.",
        examples=["assigned"],
    )


class ExposureOut(Assignment):
    """What you met, and whether that was noted."""

    noted: bool = Field(description="False where there is nothing to learn from it.", examples=[True])
