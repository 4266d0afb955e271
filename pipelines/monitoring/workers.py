"""Health reports of the workers without a port, space on disk, and whether the object store responds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import accumulate

import httpx
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from neighborconnect.contracts.health import LATENCY_BOUNDS, WorkerHealth, reports
from neighborconnect.settings import Settings, home
from pipelines.monitoring.exporter import Family

STAGES = {
    "relay": "kafka",
    "ingest-lake": "lake",
    "ingest-warehouse": "warehouse",
    "stream-features": "online_features",
}
"""Where an event is when a worker has finished its work on it."""
_S3_SECONDS = 3.0


def collect(settings: Settings) -> Iterator[Family]:
    """Yield the state of each worker that ever reported in this home, and the space on its disk."""
    del settings
    workers = reports()
    yield from _states(workers)
    yield _latency(workers)
    yield from _disk()


def _states(workers: dict[str, WorkerHealth]) -> Iterator[Family]:
    ready = GaugeMetricFamily(
        "neighborconnect_worker_ready", "Whether a worker reported within 15 s that it works.", labels=["worker"]
    )
    age = GaugeMetricFamily(
        "neighborconnect_worker_report_age_seconds", "Age of a worker's last health report.", labels=["worker"]
    )
    backlog = GaugeMetricFamily(
        "neighborconnect_worker_backlog_events", "Events that a worker still has to handle.", labels=["worker"]
    )
    handled = CounterMetricFamily(
        "neighborconnect_worker_handled_events", "Events that a worker handled since its start.", labels=["worker"]
    )
    counters = CounterMetricFamily(
        "neighborconnect_worker_counter", "Other counters of a worker since its start.", labels=["worker", "counter"]
    )
    for name, report in workers.items():
        ready.add_metric([name], 1.0 if report.ready and report.is_fresh else 0.0)
        age.add_metric([name], max(time.time() - report.updated_at, 0.0))
        if report.backlog is not None:
            backlog.add_metric([name], report.backlog)
        handled.add_metric([name], report.handled)
        for counter, value in report.counters.items():
            counters.add_metric([name, counter], value)
    yield from (ready, age, backlog, handled, counters)


def _latency(workers: dict[str, WorkerHealth]) -> Family:
    latency = HistogramMetricFamily(
        "neighborconnect_event_latency_seconds",
        "Time from the commit of a change to Kafka, the lake, the warehouse and the online features.",
        labels=["stage"],
    )
    for name, stage in STAGES.items():
        report = workers.get(name)
        if report is None or report.latency is None or len(report.latency.counts) != len(LATENCY_BOUNDS) + 1:
            continue
        bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(report.latency.counts), strict=True))
        latency.add_metric([stage], buckets=buckets, sum_value=report.latency.sum)
    return latency


def _disk() -> Iterator[Family]:
    usage = shutil.disk_usage(home())
    yield GaugeMetricFamily(
        "neighborconnect_disk_free_bytes", "Free space on the disk of the data folder.", value=usage.free
    )
    yield GaugeMetricFamily(
        "neighborconnect_disk_size_bytes", "Size of the disk of the data folder.", value=usage.total
    )


def collect_object_store(settings: Settings) -> Iterator[Family]:
    """Yield how long the object store takes to refuse an anonymous request, which needs no key."""
    began = time.monotonic()
    httpx.get(settings.s3_endpoint_url, timeout=_S3_SECONDS, trust_env=False)
    yield GaugeMetricFamily(
        "neighborconnect_object_store_response_seconds",
        "Time in which the object store answered a request.",
        value=time.monotonic() - began,
    )
