"""The hourly readout: reported to the API, logged in MLflow, and a stop when a guardrail is harmed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest
from mlflow import MlflowClient

from neighborconnect.settings import Settings
from pipelines.experiments import definitions, report
from pipelines.experiments.jobs import experiments
from tests.pipelines.experiments.test_statistics import simulated


def test_the_hourly_readout_stops_what_harms_a_guardrail(tracked: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = [{"name": name, "weight": 1} for name in ("control", "new")]
    shared = {"variants": variants, "primary_metric": "acts", "guardrails": ["hides"], "hypothesis": ""}
    stored: dict[str, Any] = {}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"experiments": [shared | {"key": key} for key in samples]})
        stored[request.url.path.split("/")[-3]] = json.loads(request.content)
        return httpx.Response(204)

    samples = {
        "good": simulated(np.random.default_rng(1)),
        "harmful": simulated(np.random.default_rng(1), hides=0.8),
        "bad": simulated(np.random.default_rng(1), sizes=(1_000, 500)),
    }

    def open_api(_settings: Settings) -> httpx.Client:
        return httpx.Client(base_url="http://api.test/experiments", transport=httpx.MockTransport(respond))

    monkeypatch.setattr(definitions, "_api", open_api)
    monkeypatch.setattr(report, "read_users", lambda _settings, experiment: samples[experiment])
    for _ in range(2):
        result = experiments.execute_in_process(resources={"settings": tracked})
        assert result.success
    assert {key: bool(body["stop_reason"]) for key, body in stored.items()} == {
        "good": False,
        "harmful": True,
        "bad": False,
    }
    assert stored["harmful"]["stop_reason"].startswith("Guardrail: hides of new")
    assert (stored["bad"]["readout"]["comparisons"], bool(stored["bad"]["readout"]["refusal"])) == ([], True)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(report.EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    # Each hour adds a point to the metrics of the run, and no run.
    assert sorted(run.data.tags["experiment"] for run in runs) == sorted(samples)
    assert {len(client.get_metric_history(run.info.run_id, "users.control")) for run in runs} == {2}
    assert [file.path for file in client.list_artifacts(runs[0].info.run_id)] == ["effects.png"]
