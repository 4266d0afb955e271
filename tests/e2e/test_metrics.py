"""Metrics of a whole running platform: every store is read, and every name that a rule or dashboard uses exists."""

from __future__ import annotations

import pytest

from neighborconnect.contracts.models import MODELS
from neighborconnect.metrics import Metrics, read_metrics
from neighborconnect.slo.objectives import read_catalog
from neighborconnect.slo.state import State, evaluate
from tests.deploy.test_observability import EXPRESSIONS, metrics_of
from tests.e2e.conftest import Platform

URLS = ("api_url", "monitoring_url", "recommendation_url", "content_url", "matching_url", "image_url", "video_url")


@pytest.fixture(scope="module")
def metrics(platform: Platform) -> Metrics:
    found, problems = read_metrics(platform.settings, {name: getattr(platform.settings, name) for name in URLS})
    assert problems == {}
    return found


def test_every_collector_reads_its_store(metrics: Metrics) -> None:
    up = metrics.by("collector", "neighborconnect_collector_up")
    assert len(up) == 11
    assert [name for name, value in up.items() if not value] == []


def test_names_in_rules_and_dashboards_exist_in_processes(metrics: Metrics) -> None:
    # A model service has its counter from its first prediction on; tests of tests/deploy compare it with the code.
    used = {name for expression in EXPRESSIONS for name in metrics_of(expression)}
    used = {name for name in used if not name.startswith(("slo:", "up")) and not name.endswith("_predictions_total")}
    assert used - metrics.names == set()


def test_events_were_measured_at_every_stage(metrics: Metrics) -> None:
    counts = metrics.by("stage", "neighborconnect_event_latency_seconds_count")
    assert set(counts) == {"kafka", "lake", "warehouse", "online_features"}
    assert min(counts["kafka"], counts["lake"], counts["warehouse"]) > 1_000
    groups = metrics.by("group", "neighborconnect_kafka_consumer_lag_events")
    assert set(groups) == {"ingest-lake", "ingest-warehouse", "stream-features"}


def test_pipelines_and_models_are_known(metrics: Metrics) -> None:
    assert set(metrics.by("model", "neighborconnect_model_champion_info")) == set(MODELS)
    assert {"marts", "offline"} <= set(metrics.by("group", "neighborconnect_asset_materialized_timestamp_seconds"))
    assert metrics.by("view", "neighborconnect_feature_newest_timestamp_seconds")


def test_objectives_have_data(metrics: Metrics) -> None:
    states = {state.name: state for state in evaluate(read_catalog().objectives, metrics)}
    assert states["marts_freshness"].state is State.MET
    assert states["commit_to_feature"].total > 0
