"""The exporter: each store is read on its own, and one that is down costs only its own metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.core import GaugeMetricFamily
from pydantic import SecretStr

from local_stack.kafka_principals import MONITORING
from local_stack.stack import Stack
from neighborconnect.contracts.health import LatencyHistogram, health_path, report_health
from neighborconnect.metrics import Metrics, parse
from neighborconnect.service_auth import RequireCredentials, bearer
from neighborconnect.settings import Settings
from pipelines.ingest.dead_letters import DeadLetterWriter, discard, pending_letters
from pipelines.ingest.decode import InvalidRecord, KafkaRecord
from pipelines.monitoring.application import HEALTH_PATH, Application
from pipelines.monitoring.collectors import collectors
from pipelines.monitoring.dead_letters import DeadLetters
from pipelines.monitoring.exporter import Collect, Exporter, Family

TOPIC = "behaviour.interactions"
ATTEMPTS = 20


@pytest.fixture
def restricted(settings: Settings, servers: Stack) -> Settings:
    """Settings with the Kafka principal that the exporter has."""
    password = SecretStr(servers.secrets[f"kafka_{MONITORING}"])
    return settings.model_copy(update={"kafka_username": MONITORING, "kafka_password": password})


async def scraped(settings: Settings, chosen: dict[str, Collect], *, deadline: float = 8.0) -> Metrics:
    application = RequireCredentials(
        Application(Exporter(chosen, deadline=deadline)), tokens=[settings.platform_token], open_paths=[HEALTH_PATH]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://monitoring") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get(HEALTH_PATH)).status_code == 200
        answer = await client.get("/metrics", headers=bearer(settings.platform_token))
        assert answer.status_code == 200
    return parse([answer.text])


def up(metrics: Metrics) -> dict[str, float]:
    return metrics.by("collector", "neighborconnect_collector_up")


async def test_one_failing_and_one_hanging_collector_cost_themselves(settings: Settings) -> None:
    release = threading.Event()

    def good() -> Iterator[Family]:
        yield GaugeMetricFamily("good", "Good.", value=7)

    def hanging() -> Iterator[Family]:
        release.wait()
        yield GaugeMetricFamily("late", "Late.", value=1)

    def failing() -> Iterator[Family]:
        yield GaugeMetricFamily("half", "Half.", value=1)
        raise ConnectionError

    try:
        metrics = await scraped(settings, {"good": good, "hanging": hanging, "failing": failing}, deadline=0.2)
    finally:
        release.set()
    assert up(metrics) == {"good": 1, "hanging": 0, "failing": 0}
    assert metrics.value("good") == 7
    assert metrics.value("half") is metrics.value("late") is None


async def test_every_collector_reads_the_real_stores(restricted: Settings) -> None:
    settings = restricted
    latency = LatencyHistogram()
    latency.observe([0.2, 400.0, -1.0])
    unreachable = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    try:
        report_health("relay", ready=True, backlog=3, handled=5, latency=latency)
        for _ in range(ATTEMPTS):
            metrics = await scraped(settings, dict(collectors(unreachable)))
            # A broker that no group has used yet creates the topic of their offsets first.
            if up(metrics)["kafka"]:
                break
    finally:
        health_path("relay").unlink()
    assert up(metrics) == dict.fromkeys(collectors(settings), 1.0) | {"redis": 0.0}
    assert metrics.value("neighborconnect_worker_backlog_events", worker="relay") == 3
    buckets = metrics.by("le", "neighborconnect_event_latency_seconds_bucket", stage="kafka")
    assert (buckets["0.05"], buckets["0.25"], buckets["300.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert set(metrics.by("lane", "neighborconnect_jobs")) >= {"default", "models", "media", "renditions", "webhooks"}
    assert metrics.value("neighborconnect_kafka_topic_end_offset", topic=TOPIC) is not None
    assert (metrics.value("neighborconnect_postgres_connections", database="neighborconnect") or 0) >= 1
    assert "neighborconnect_model_champion_info" in metrics.names


def test_letters_are_pending_until_they_are_settled(restricted: Settings) -> None:
    servers = restricted.kafka_bootstrap_servers
    reader = DeadLetters(restricted)

    def pending() -> float:
        family, total = reader.collect()
        ours = [sample.value for sample in family.samples if sample.labels == {"sink": "test", "topic": TOPIC}]
        assert total.samples[0].value >= sum(ours)
        return sum(ours)

    assert pending() == 0
    writer = DeadLetterWriter(servers, sink="test")
    record = KafkaRecord(TOPIC, 0, 2**40, 1_700_000_000_000, b"k", b"{", [])
    writer.write([InvalidRecord(record, "unreadable")])
    writer.close()
    assert pending() == 1
    discard(servers, [letter for letter in pending_letters(servers) if letter.sink == "test"], reason="of a test")
    assert pending() == 0
