"""Bodies of the training assets: they pass inputs to the models and record results as metadata."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest
from matplotlib.figure import Figure

import models.content.train
import models.registry
import models.vision.train
from models.tracking import RunResult
from neighborconnect.contracts.models import CONTENT_MODEL, VISION_MODEL
from neighborconnect.settings import Settings
from pipelines.asset_keys import SOCIAL_GRAPH, TRAINING_RESULT, champion_key, model_key, service_key
from pipelines.training import moderation_feedback, social_graph_snapshot, themes
from pipelines.training.assets import ASSETS
from pipelines.training.assets.content import FEEDBACK_KEY, THEMES_KEY

PASSED = RunResult("content-r1", "1", "r1", True, ("better than the baseline", "fair"), {"auc": 0.9})  # noqa: FBT003
FEEDBACK = (object(), "training/moderation_feedback@3")


def asset(key: dg.AssetKey) -> dg.AssetsDefinition:
    [definition] = [definition for definition in ASSETS if key in definition.keys]
    return definition


def materialize(
    key: dg.AssetKey, settings: Settings, instance: dg.DagsterInstance, *, raise_on_error: bool = True
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset(key)], instance=instance, resources={"settings": settings}, raise_on_error=raise_on_error
    )


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    [event] = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.fixture
def trained(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> dg.ExecuteInProcessResult:
    """Materialization of the content model with a training that passes the gate."""
    monkeypatch.setattr(moderation_feedback, "read", lambda _settings: FEEDBACK)
    monkeypatch.setattr(models.content.train, "train", lambda *_args, **_named: PASSED)
    return materialize(model_key(CONTENT_MODEL), settings, instance)


class TestModelAssets:
    def test_training_receives_the_newest_feedback_and_its_version(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: dict[str, Any] = {}

        def train(_settings: Settings, **named: Any) -> RunResult:
            received.update(named)
            return PASSED

        monkeypatch.setattr(moderation_feedback, "read", lambda _settings: FEEDBACK)
        monkeypatch.setattr(models.content.train, "train", train)

        materialize(model_key(CONTENT_MODEL), settings, instance)

        assert (received["feedback"], received["data_version"]) == FEEDBACK

    def test_metadata_contains_the_result_and_the_gate(self, trained: dg.ExecuteInProcessResult) -> None:
        recorded = metadata(trained, model_key(CONTENT_MODEL))

        assert recorded["model_version"] == PASSED.model_version
        assert recorded["gate"] == "- better than the baseline\n- fair"
        assert recorded[TRAINING_RESULT]["metrics"] == PASSED.metrics

    def test_the_vision_model_shows_the_images_of_its_run(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models.vision.train, "train", lambda *_args, **_named: PASSED)
        monkeypatch.setattr(
            models.registry, "fetch_artifact", lambda _settings, run_id, name: f"{run_id}/{name}".encode()
        )

        recorded = metadata(materialize(model_key(VISION_MODEL), settings, instance), model_key(VISION_MODEL))

        for name in ("anonymized.png", "crops.png"):
            assert base64.b64encode(f"r1/{name}".encode()).decode() in recorded["images"]


class TestChampionAssets:
    def test_fails_before_the_first_training_and_names_the_job(
        self, settings: Settings, instance: dg.DagsterInstance
    ) -> None:
        result = materialize(champion_key(CONTENT_MODEL), settings, instance, raise_on_error=False)

        assert not result.success
        [failure] = result.get_step_failure_events()
        assert "train_content" in str(failure.step_failure_data)

    @pytest.mark.usefixtures("trained")
    @pytest.mark.parametrize("promoted", [True, False])
    def test_promotes_the_last_training_result(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, *, promoted: bool
    ) -> None:
        received: list[RunResult] = []

        def promote(_settings: Settings, result: RunResult) -> bool:
            received.append(result)
            return promoted

        monkeypatch.setattr(models.content.train, "promote", promote)

        recorded = metadata(materialize(champion_key(CONTENT_MODEL), settings, instance), champion_key(CONTENT_MODEL))

        assert received == [PASSED]
        assert recorded == {"candidate": PASSED.model_version, "promoted": promoted}


class TestServiceAssets:
    def test_an_unreachable_service_does_not_fail_the_run(
        self, settings: Settings, instance: dg.DagsterInstance
    ) -> None:
        unreachable = settings.model_copy(update={"content_url": "http://127.0.0.1:9"})

        recorded = metadata(materialize(service_key("content"), unreachable, instance), service_key("content"))

        assert recorded["reloaded"] is False
        assert "content" in recorded["reason"]


class TestDataAssets:
    def test_feedback_counts_rows_by_label(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = pl.DataFrame({"label": ["hate", "neither", "neither"]})
        monkeypatch.setattr(moderation_feedback, "write", lambda _settings: (rows, "version 1"))

        recorded = metadata(materialize(FEEDBACK_KEY, settings, instance), FEEDBACK_KEY)

        assert recorded["labels"] == {"hate": 1, "neither": 2}
        assert (recorded["dagster/row_count"], recorded["data_version"]) == (3, "version 1")

    def test_the_social_graph_reports_its_size(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        graph = SimpleNamespace(users=("a", "b"), follows=((0, 1),), members=())
        monkeypatch.setattr(social_graph_snapshot, "publish_current", lambda _settings: (graph, "v1"))

        recorded = metadata(materialize(SOCIAL_GRAPH, settings, instance), SOCIAL_GRAPH)

        assert recorded == {"data_version": "v1", "users": 2, "follows": 1, "memberships": 0}

    def test_topics_are_written_with_a_map(
        self, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = pl.DataFrame([("", 0, "bees", 3, 0.5), ("c1", 0, "bees", 2, 1.0)], schema=themes.SCHEMA, orient="row")
        overall = SimpleNamespace(themes=(SimpleNamespace(label="bees", texts=3),))
        topics = themes.Topics(rows, overall, Figure())  # type: ignore[arg-type]
        written: list[pl.DataFrame] = []
        monkeypatch.setattr(themes, "model_topics", lambda _settings: topics)

        def write(_settings: Settings, frame: pl.DataFrame) -> str:
            written.append(frame)
            return "themes@1"

        monkeypatch.setattr(themes, "write", write)

        recorded = metadata(materialize(THEMES_KEY, settings, instance), THEMES_KEY)

        assert written == [rows]
        assert (recorded["dagster/row_count"], recorded["connectors"], recorded["overall"]) == (2, 1, "- bees: 3")
        encoded = recorded["map"].partition("base64,")[2].rstrip(")")
        assert base64.b64decode(encoded).startswith(b"\x89PNG")
