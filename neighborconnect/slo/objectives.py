"""Objectives and alerts as ``objectives.toml`` states them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SOURCE = Path(__file__).with_name("objectives.toml")
# The fastest alert multiplies the error budget by 14.4, and a share cannot exceed 1.
_LOWEST_TARGET = 0.94

Labels = dict[str, str]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Events(_Declared):
    """Counter of events, and the labels of those that are bad."""

    metric: str
    labels: Labels
    excluded: Labels = Field(default={}, alias="except")
    bad: Labels


class Latency(_Declared):
    """Histogram, and the bucket up to which an event is good, in seconds."""

    histogram: str
    labels: Labels
    excluded: Labels = Field(default={}, alias="except")
    threshold: float


class Freshness(_Declared):
    """Gauge with Unix times of the newest data, and their highest age."""

    timestamp: str
    labels: Labels
    max_age_seconds: int


class Objective(_Declared):
    """A service-level objective: exactly one of events, latency and freshness measures it.

    Attributes:
        target: lowest share of good events, or of time with fresh data.
        runbook: page below ``docs/how-to``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    title: str
    target: Annotated[float, Field(ge=_LOWEST_TARGET, lt=1)]
    runbook: str
    events: Events | None = None
    latency: Latency | None = None
    freshness: Freshness | None = None

    @model_validator(mode="after")
    def _has_one_measure(self) -> Objective:
        if sum(measure is not None for measure in (self.events, self.latency, self.freshness)) != 1:
            raise ValueError(f"{self.name} needs exactly one of events, latency and freshness")
        return self

    @property
    def error_budget(self) -> float:
        """Highest share of bad events."""
        return round(1 - self.target, 6)


class Alert(_Declared):
    """An alert on a cause, with a PromQL expression."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]
    expr: str
    duration: str = Field(alias="for")
    severity: Literal["page", "ticket"]
    summary: str
    runbook: str


class Catalog(_Declared):
    """All objectives and alerts."""

    objectives: tuple[Objective, ...]
    alerts: tuple[Alert, ...]


def read_catalog(path: Path = SOURCE) -> Catalog:
    """Read the objectives and alerts."""
    return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
