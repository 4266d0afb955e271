"""Serving reads what a training registers, on a real MLflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from models.registry import RegistryError, fetch_artifact, read_champion
from models.tracking import ModelTracker
from neighborconnect.settings import Settings

NAME = "barometer"


@pytest.fixture(scope="module")
def tracker(run: Callable[..., None], settings: Settings) -> ModelTracker:
    run("mlflow")
    return ModelTracker(settings, name=NAME, experiment=NAME)


def test_a_promoted_version_is_served_and_its_files_read_back(tracker: ModelTracker, settings: Settings) -> None:
    run_id = tracker.start(run_name="first")
    tracker.log(run_id, params={"depth": 3}, metrics={"auc": 0.75}, tags={"data": "v1"})
    tracker.log_report(run_id, card="# A barometer", figures={"curve.png": Figure()})
    registered = tracker.register(run_id, files={"weights.bin": b"\x00\x01"}, card="# A barometer", trained_on=())
    assert read_champion(settings, NAME) is None
    assert tracker.champion() is None

    tracker.promote(registered.registry_version)
    champion = read_champion(settings, NAME)
    assert champion is not None
    assert (champion.run_id, champion.model_version) == (run_id, registered.model_version)
    assert tracker.champion() == registered
    assert fetch_artifact(settings, run_id, "model/weights.bin") == b"\x00\x01"
    kept = tracker.fetch(run_id, "model/weights.bin")
    assert kept is not None
    assert kept.read_bytes() == b"\x00\x01"


def test_a_second_version_replaces_the_first_only_when_promoted(tracker: ModelTracker) -> None:
    before = tracker.champion()
    run_id = tracker.start(run_name="second")
    second = tracker.register(run_id, files={"weights.bin": b"\x02"}, card="better", trained_on=())
    assert before is not None
    assert tracker.champion() == before
    tracker.promote(second.registry_version)
    assert tracker.champion() == second


def test_what_is_not_there_is_said(tracker: ModelTracker, settings: Settings) -> None:
    run_id = tracker.start(run_name="empty")
    tracker.fail(run_id)
    assert tracker.client.get_run(run_id).info.status == "FAILED"
    assert tracker.fetch(run_id, "model/weights.bin") is None
    with pytest.raises(RegistryError, match="weights"):
        fetch_artifact(settings, run_id, "model/weights.bin")
    silent = settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError, match="does not respond"):
        read_champion(silent, NAME)
