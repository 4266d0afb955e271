"""Unfinished MLflow runs whose process may have died; not in ``registry``, since this needs the write token."""

from __future__ import annotations

import time
from typing import Any

import httpx

from models.registry import DAGSTER_RUN, RegistryError, http_client, json_object
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

_TIMEOUT_SECONDS = 5.0
_MAX_RUNS = 1_000


def running_trainings(settings: Settings) -> dict[str, str]:
    """Return the running MLflow runs, each with the id of the Dagster run that started it.

    Raises:
        RegistryError: when MLflow does not respond, or responds with an error.
    """
    response = _post(settings, "/api/2.0/mlflow/experiments/search", {"max_results": _MAX_RUNS})
    experiments = [experiment["experiment_id"] for experiment in response.get("experiments", ())]
    if not experiments:
        return {}
    search = {
        "experiment_ids": experiments,
        "filter": f"attributes.status = 'RUNNING' AND tags.{DAGSTER_RUN} LIKE '%'",
        "max_results": _MAX_RUNS,
    }
    runs = _post(settings, "/api/2.0/mlflow/runs/search", search).get("runs", ())
    return {
        run["info"]["run_id"]: tag["value"] for run in runs for tag in run["data"]["tags"] if tag["key"] == DAGSTER_RUN
    }


def kill_run(settings: Settings, run_id: str) -> None:
    """End an MLflow run whose process has died.

    Raises:
        RegistryError: when MLflow does not respond, or responds with an error.
    """
    ended = {"run_id": run_id, "status": "KILLED", "end_time": time.time_ns() // 1_000_000}
    _post(settings, "/api/2.0/mlflow/runs/update", ended)


def _post(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        response = http_client().post(
            settings.mlflow_tracking_uri.rstrip("/") + path,
            json=body,
            headers=bearer(settings.mlflow_tracking_token),
            timeout=_TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        raise RegistryError(f"MLflow at {settings.mlflow_tracking_uri} does not respond: {error}") from error
    parsed = json_object(response)
    if not response.is_success:
        raise RegistryError(f"MLflow responded with {response.status_code}: {parsed.get('message', '')}")
    return parsed
