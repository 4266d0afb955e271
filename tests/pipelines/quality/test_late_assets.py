"""Late assets and dead letters send one alert each, and no second one for what was reported."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from neighborconnect.settings import Settings
from pipelines import alerts
from pipelines.ingest import dead_letters
from pipelines.ingest.dead_letters import DeadLetter
from pipelines.ingest.decode import KafkaRecord
from pipelines.ingest.sensors import dead_letters_sensor
from pipelines.ingest.sinks import TopicPartition
from pipelines.quality.sensors import late_assets, late_assets_sensor

POLICY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6))


@dg.asset(freshness_policy=POLICY)
def timely() -> None:
    """Stand for an asset that runs hourly."""


@dg.asset(freshness_policy=POLICY)
def never_run() -> None:
    """Stand for an asset of a new platform."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    received: list[dict[str, Any]] = []

    def send_alert(_settings: Settings, **alert: Any) -> bool:
        received.append(alert)
        return True

    monkeypatch.setattr(alerts, "send_alert", send_alert)
    return received


def test_an_asset_is_late_after_its_fail_window(
    settings: Settings, instance: dg.DagsterInstance, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = dg.Definitions(assets=[timely, never_run])
    assert dg.materialize([timely], instance=instance).success
    graph, now = definitions.resolve_asset_graph(), datetime.now(UTC)
    assert late_assets(graph, instance, now=now + timedelta(hours=5)) == {}
    assert set(late_assets(graph, instance, now=now + timedelta(hours=7))) == {"timely"}

    monkeypatch.setattr("pipelines.quality.sensors.late_assets", lambda *_, **__: {"timely": timedelta(hours=7)})
    context = dg.build_sensor_context(instance=instance, definitions=definitions, resources={"settings": settings})
    late_assets_sensor(context)
    late_assets_sensor(context)
    assert [alert["details"] for alert in sent] == [{"hours_since_materialization": {"timely": 7}}]


def test_a_new_dead_letter_is_reported_once(
    settings: Settings, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: list[DeadLetter] = []
    monkeypatch.setattr(dead_letters, "pending_letters", lambda _: pending)
    context = dg.build_sensor_context(resources={"settings": settings})
    dead_letters_sensor(context)
    assert sent == []

    record = KafkaRecord("nc.posts", 0, 7, 0, None, b'{"content": "words of a person"}', [])
    pending.append(DeadLetter(TopicPartition("dlq", 0), 0, "not JSON", "lake", truncated=False, record=record))
    dead_letters_sensor(context)
    dead_letters_sensor(context)
    assert [alert["details"] for alert in sent] == [{"pending": {"lake: nc.posts": 1}}]
    assert "words" not in json.dumps(sent)
