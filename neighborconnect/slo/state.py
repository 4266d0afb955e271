"""Present state of the objectives, from the metrics of running processes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from neighborconnect.metrics import Metrics, Sample
from neighborconnect.slo.objectives import Events, Freshness, Labels, Latency, Objective


class State(StrEnum):
    """State of an objective."""

    MET = "met"
    MISSED = "missed"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveState:
    """State of one objective.

    Attributes:
        good: good events since the processes started, or fresh series now; None without data.
        total: all events, or all series.
    """

    name: str
    title: str
    target: float
    runbook: str
    good: int | None = None
    total: int = 0

    @property
    def share(self) -> float | None:
        """Share of good events; None without any."""
        return self.good / self.total if self.good is not None and self.total else None

    @property
    def budget_used(self) -> float | None:
        """Share of bad events as a multiple of the highest allowed one; None without events."""
        return None if self.share is None else (1 - self.share) / (1 - self.target)

    @property
    def state(self) -> State:
        """Whether the share reaches the target."""
        if self.share is None:
            return State.NO_DATA
        return State.MET if self.share >= self.target else State.MISSED


def evaluate(objectives: Iterable[Objective], metrics: Metrics, *, now: float | None = None) -> list[ObjectiveState]:
    """Return the state of each objective since the start of the processes; freshness is that of ``now``."""
    at = time.time() if now is None else now
    return [_evaluate(objective, metrics, now=at) for objective in objectives]


def _evaluate(objective: Objective, metrics: Metrics, *, now: float) -> ObjectiveState:
    if objective.events is not None:
        counted = _events(objective.events, metrics)
    elif objective.latency is not None:
        counted = _latency(objective.latency, metrics)
    else:
        assert objective.freshness is not None  # noqa: S101 (the model has exactly one)
        counted = _freshness(objective.freshness, metrics, now=now)
    good, total = counted or (None, 0)
    return ObjectiveState(
        name=objective.name,
        title=objective.title,
        target=objective.target,
        runbook=objective.runbook,
        good=good,
        total=total,
    )


def _matches(labels: Mapping[str, str], wanted: Labels, excluded: Labels) -> bool:
    return all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in wanted.items()) and not any(
        re.fullmatch(pattern, labels.get(name, "")) for name, pattern in excluded.items()
    )


def _selected(metrics: Metrics, name: str, wanted: Labels, excluded: Labels | None = None) -> list[Sample]:
    return [sample for sample in metrics.samples(name) if _matches(sample.labels, wanted, excluded or {})]


def _events(events: Events, metrics: Metrics) -> tuple[int, int] | None:
    samples = _selected(metrics, events.metric, events.labels, events.excluded)
    if not samples:
        return None
    bad = sum(sample.value for sample in samples if _matches(sample.labels, events.bad, {}))
    total = sum(sample.value for sample in samples)
    return round(total - bad), round(total)


def _latency(latency: Latency, metrics: Metrics) -> tuple[int, int] | None:
    buckets = _selected(metrics, f"{latency.histogram}_bucket", latency.labels, latency.excluded)
    if not buckets:
        return None
    good = sum(sample.value for sample in buckets if float(sample.labels["le"]) == latency.threshold)
    total = sum(sample.value for sample in buckets if sample.labels["le"] == "+Inf")
    return round(good), round(total)


def _freshness(freshness: Freshness, metrics: Metrics, *, now: float) -> tuple[int, int] | None:
    samples = _selected(metrics, freshness.timestamp, freshness.labels)
    if not samples:
        return None
    return sum(now - sample.value <= freshness.max_age_seconds for sample in samples), len(samples)
