"""Collection at scrape time: every collector runs on its own, and a store that is down costs only its metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from neighborconnect.telemetry import get_logger

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily
Collect = Callable[[], Iterable[Family]]

DEADLINE_SECONDS = 8.0
"""Longest time of a scrape: Prometheus gives up after ten seconds."""
_REUSE_SECONDS = 2.0
"""Age up to which a scrape gets the answer of the one before, so that several readers cost as much as one."""

log = get_logger(__name__)


class Exporter(Collector):
    """Runs the collectors in threads whenever a registry is scraped, and in between does nothing."""

    def __init__(self, collectors: Mapping[str, Collect], *, deadline: float = DEADLINE_SECONDS) -> None:
        """Initialize without connecting.

        Args:
            collectors: the collectors by name.
            deadline: seconds after which collectors that have not ended count as down.
        """
        self._collectors = dict(collectors)
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(max_workers=len(self._collectors), thread_name_prefix="collector")
        self._running: dict[str, Future[tuple[list[Family], float]]] = {}
        self._errors: dict[str, str] = {}
        self._lock = threading.Lock()
        self._families: list[Family] = []
        self._collected_at = -_REUSE_SECONDS

    def collect(self) -> Iterator[Family]:
        """Yield the metrics of every collector that ended in time without an error, and the state of all."""
        with self._lock:
            if time.monotonic() - self._collected_at >= _REUSE_SECONDS:
                self._families = self._collect()
                self._collected_at = time.monotonic()
            families = self._families
        yield from families

    def _collect(self) -> list[Family]:
        up = GaugeMetricFamily(
            "neighborconnect_collector_up", "Whether the last collection succeeded.", labels=["collector"]
        )
        seconds = GaugeMetricFamily(
            "neighborconnect_collector_duration_seconds",
            "Duration of the last successful collection.",
            labels=["collector"],
        )
        for name, collect in self._collectors.items():
            # A collector that hangs is not started a second time.
            if name not in self._running:
                self._running[name] = self._pool.submit(_timed, collect)
        ended, _ = wait(self._running.values(), timeout=self._deadline)
        families: list[Family] = []
        for name, future in list(self._running.items()):
            if future not in ended:
                self._note(name, f"not ended after {self._deadline:.0f} s")
            else:
                del self._running[name]
                error = future.exception()
                self._note(name, f"{type(error).__name__}: {error}".strip() if error else "")
                if error is None:
                    collected, duration = future.result()
                    families += collected
                    seconds.add_metric([name], duration)
            up.add_metric([name], 0.0 if self._errors[name] else 1.0)
        return [up, seconds, *families]

    def _note(self, name: str, error: str) -> None:
        """Log when a collector begins or ceases to fail, and not at every scrape."""
        before = self._errors.get(name, "")
        if error and not before:
            log.warning("monitoring.collector_failed", collector=name, error=error)
        elif before and not error:
            log.info("monitoring.collector_recovered", collector=name)
        self._errors[name] = error


def reused(collect: Collect, *, seconds: float) -> Collect:
    """Return a collector that runs at most once in some seconds, for what changes by the hour and is costly to read."""
    last: list[Family] = []
    collected_at = -seconds  # the monotonic clock may begin at 0

    def collect_or_reuse() -> list[Family]:
        nonlocal last, collected_at
        if time.monotonic() - collected_at >= seconds:
            last = list(collect())
            collected_at = time.monotonic()
        return last

    return collect_or_reuse


def _timed(collect: Collect) -> tuple[list[Family], float]:
    began = time.monotonic()
    return list(collect()), time.monotonic() - began
