"""MLflow runs whose process may be gone. Apart from the registry, since this needs the token that may write."""

from __future__ import annotations

import time
from typing import Any

import httpx

from models.registry import DAGSTER_RUN, RegistryError, http_client, json_of
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

_TIMEOUT_SECONDS = 5.0
_MOST_RUNS = 1_000


def running_trainings(settings: Settings) -> dict[str, str]:
    """Return the MLflow runs that have not ended, each with the Dagster run that started it.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with an error.
    """
    found = _post(settings, "/api/2.0/mlflow/experiments/search", {"max_results": _MOST_RUNS})
    experiments = [one["experiment_id"] for one in found.get("experiments", ())]
    if not experiments:
        return {}
    search = {
        "experiment_ids": experiments,
        "filter": f"attributes.status = 'RUNNING' AND tags.{DAGSTER_RUN} LIKE '%'",
        "max_results": _MOST_RUNS,
    }
    runs = _post(settings, "/api/2.0/mlflow/runs/search", search).get("runs", ())
    return {
        run["info"]["run_id"]: tag["value"] for run in runs for tag in run["data"]["tags"] if tag["key"] == DAGSTER_RUN
    }


def kill_run(settings: Settings, run_id: str) -> None:
    """End an MLflow run whose process is gone.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with an error.
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
        raise RegistryError(f"MLflow at {settings.mlflow_tracking_uri} does not answer: {error}") from error
    answer = json_of(response)
    if not response.is_success:
        raise RegistryError(f"MLflow answered {response.status_code}: {answer.get('message', '')}")
    return answer
