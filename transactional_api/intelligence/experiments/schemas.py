"""Request and response models of experiments."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    model_validator,
)

from neighborconnect.feed.policy import changed_policy
from transactional_api.core.text import Line, Moment, RequestBody, Text

ExperimentKey = Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{1,99}$")]
MAX_VARIANTS = 10


class PrimaryMetric(StrEnum):
    """Outcome of a person within a week of the first exposure, by which the variants are compared."""

    ACTS = "acts"
    CLICKS = "clicks"
    LIKES = "likes"
    COMMENTS = "comments"
    JOINS = "joins"
    POSTS = "posts"
    ACTIVE_DAYS = "active_days"


class Guardrail(StrEnum):
    """Outcome that stops an experiment when a variant is worse than the control beyond a tolerance."""

    HIDES = "hides"
    REPORTED_IMPRESSIONS = "reported_impressions"
    LATENCY_MS = "latency_ms"
    NEWCOMER_IMPRESSIONS = "newcomer_impressions"


class Variant(RequestBody):
    """Variant of an experiment, with its weight relative to the other variants."""

    name: Annotated[Line, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")] = Field(examples=["control"])
    weight: StrictInt = Field(ge=0, le=10_000, examples=[50])
    ranking: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Parameters of the re-ranking of feeds that differ from the published ones, by section.",
        examples=[{"age": {"half_life_days": 2.0}}],
    )


class ExperimentBody(RequestBody):
    """Definition of an experiment. The first variant is the control."""

    variants: list[Variant] = Field(
        min_length=2,
        max_length=MAX_VARIANTS,
        examples=[[{"name": "control", "weight": 50}, {"name": "larger_pictures", "weight": 50}]],
    )
    is_active: StrictBool = Field(default=True, examples=[True])
    hypothesis: Annotated[Text, StringConstraints(max_length=2_000)] = Field(
        default="", examples=["Newer posts are opened more often"]
    )
    primary_metric: PrimaryMetric = Field(default=PrimaryMetric.ACTS, examples=["clicks"])
    guardrails: list[Guardrail] = Field(
        default_factory=lambda: list(Guardrail), max_length=len(Guardrail), examples=[["hides", "latency_ms"]]
    )
    layer: ExperimentKey | None = Field(
        default=None,
        description="Experiments of one layer have different people; null for a layer of its own.",
        examples=[None],
    )
    layer_start: StrictFloat = Field(
        default=0.0, ge=0, lt=1, description="Begin of its people in the layer.", examples=[0.0]
    )
    share: StrictFloat = Field(
        default=1.0, gt=0, le=1, description="Share of all people in the experiment.", examples=[0.2]
    )
    starts_at: Moment | None = Field(default=None, description="Null for now.", examples=[None])
    ends_at: Moment | None = Field(default=None, description="Null for no end.", examples=[None])

    @model_validator(mode="after")
    def _is_assignable(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("Variant names must be unique")
        if not any(variant.weight for variant in self.variants):
            raise ValueError("At least one variant needs a positive weight")
        for variant in self.variants:
            changed_policy(variant.ranking)
        if self.variants[0].ranking:
            raise ValueError("The control has the published ranking parameters")
        if self.layer_start + self.share > 1 + 1e-9:
            raise ValueError("The people of the experiment are beyond the end of the layer")
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValueError("The end must be after the start")
        return self


class ExperimentOut(BaseModel):
    """Experiment."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(examples=["larger-pictures"])
    variants: list[Variant]
    is_active: bool = Field(examples=[True])
    hypothesis: str = Field(examples=["Newer posts are opened more often"])
    primary_metric: PrimaryMetric = Field(examples=["clicks"])
    guardrails: list[Guardrail] = Field(examples=[["hides", "latency_ms"]])
    layer: str | None = Field(examples=[None])
    layer_start: float = Field(examples=[0.0])
    share: float = Field(examples=[0.2])
    starts_at: datetime | None = Field(examples=[None])
    ends_at: datetime | None = Field(examples=[None])
    stopped_at: datetime | None = Field(description="Null for one that was not stopped.", examples=[None])
    stop_reason: str = Field(examples=[""])
    created_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])
    updated_at: datetime = Field(examples=["2026-03-01T09:30:00Z"])


class StoppedBody(RequestBody):
    """Why an experiment is stopped."""

    reason: Annotated[Line, StringConstraints(min_length=1, max_length=500)] = Field(examples=["more hides"])


class ReadoutBody(RequestBody):
    """Readout of an experiment by the pipelines."""

    readout: dict[str, Any] = Field(examples=[{"variants": []}])
    stop_reason: Annotated[Line, StringConstraints(max_length=500)] = Field(
        default="", description="Why the experiment stops; empty if it goes on.", examples=[""]
    )


class RunningExperiments(BaseModel):
    """Experiments that have people now."""

    experiments: list[ExperimentOut]


class ExperimentAssignment(BaseModel):
    """Variant of the viewer; deterministic for an experiment and a user."""

    experiment: str = Field(examples=["larger-pictures"])
    variant: str = Field(examples=["larger_pictures"])
    reason: str = Field(
        description="`assigned`, or the reason for the control variant: `inactive`, `no_consent` or `not_sampled`.",
        examples=["assigned"],
    )


class ExposureOut(ExperimentAssignment):
    """Variant that the viewer was exposed to, and whether the exposure was recorded."""

    recorded: bool = Field(description="False for users outside of the experiment.", examples=[True])
