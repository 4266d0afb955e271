"""Metrics of running processes: read from their ``/metrics``, and looked up by name and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from neighborconnect.service_auth import bearer

if TYPE_CHECKING:
    from neighborconnect.settings import Settings

PATH = "/metrics"
TIMEOUT_SECONDS = 10.0
"""The exporter answers within eight seconds, however many stores are down."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Value of one time series."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Samples by the name of the time series, which for counters ends in ``_total``; and the names of the metrics."""

    series: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Return the samples of a time series with these values of labels."""
        wanted = labels.items()
        return [sample for sample in self.series.get(name, ()) if wanted <= sample.labels.items()]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples with these values of labels; None without one."""
        samples = self.samples(name, **labels)
        return sum(sample.value for sample in samples) if samples else None

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the sums by the value of one label."""
        sums: dict[str, float] = {}
        for sample in self.samples(name, **labels):
            key = sample.labels.get(label, "")
            sums[key] = sums.get(key, 0.0) + sample.value
        return sums


def parse(texts: Iterable[str]) -> Metrics:
    """Parse answers of ``/metrics``; samples of several processes are together."""
    series: dict[str, list[Sample]] = {}
    names: set[str] = set()
    for text in texts:
        for family in text_string_to_metric_families(text):
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            names |= {f"{family.name}{suffix}" for suffix in suffixes}
            for sample in family.samples:
                names.add(sample.name)
                series.setdefault(sample.name, []).append(Sample(sample.labels, float(sample.value)))
    return Metrics({name: tuple(samples) for name, samples in series.items()}, frozenset(names))


async def read_platform_metrics(settings: Settings, *, seconds: float = TIMEOUT_SECONDS) -> Metrics:
    """Return the metrics of workers, stores and pipelines, from the exporter.

    Raises:
        httpx.HTTPError: the exporter does not respond, or refuses the token.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=seconds) as client:
        response = await client.get(settings.monitoring_url + PATH, headers=bearer(settings.platform_token))
    return parse([response.raise_for_status().text])


def read_metrics(settings: Settings, urls: Mapping[str, str]) -> tuple[Metrics, dict[str, str]]:
    """Return the metrics of several processes together, and why others could not be read.

    Args:
        settings: the token of the platform.
        urls: URLs of the processes by name.
    """
    texts, problems = [], {}
    with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS, headers=bearer(settings.platform_token)) as client:
        for name, url in urls.items():
            try:
                texts.append(client.get(url.rstrip("/") + PATH).raise_for_status().text)
            except httpx.HTTPStatusError as error:
                problems[name] = f"responded with {error.response.status_code}"
            except httpx.HTTPError as error:
                problems[name] = f"does not respond ({type(error).__name__})"
    return parse(texts), problems
