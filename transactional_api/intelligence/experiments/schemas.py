"""Request and response models of experiments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints, model_validator

from transactional_api.core.text import Line, RequestBody

ExperimentKey = Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{1,99}$")]
MAX_VARIANTS = 10


class Variant(RequestBody):
    """Variant of an experiment, with its weight relative to the other variants."""

    name: Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")] = Field(examples=["control"])
    weight: StrictInt = Field(ge=0, le=10_000, examples=[50])


class ExperimentBody(RequestBody):
    """Definition of an experiment. The first variant is the control."""

    variants: list[Variant] = Field(
        min_length=2,
        max_length=MAX_VARIANTS,
        examples=[[{"name": "control", "weight": 50}, {"name": "larger_pictures", "weight": 50}]],
    )
    is_active: StrictBool = Field(default=True, examples=[True])

    @model_validator(mode="after")
    def _is_assignable(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("Variant names must be unique")
        if not any(variant.weight for variant in self.variants):
            raise ValueError("At least one variant needs a positive weight")
        return self


class ExperimentOut(BaseModel):
    """Experiment."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(examples=["larger-pictures"])
    variants: list[Variant]
    is_active: bool = Field(examples=[True])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class ExperimentAssignment(BaseModel):
    """Variant of the viewer; deterministic for an experiment and a user."""

    experiment: str = Field(examples=["larger-pictures"])
    variant: str = Field(examples=["larger_pictures"])
    reason: str = Field(
        description="`assigned`, or the reason for the control variant: `inactive` or `no_consent`.",
        examples=["assigned"],
    )


class ExposureOut(ExperimentAssignment):
    """Variant that the viewer was exposed to, and whether the exposure was recorded."""

    recorded: bool = Field(description="False for users outside of the experiment.", examples=[True])
