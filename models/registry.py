"""Ask MLflow over HTTP what is served and for its files, without importing MLflow (200 MB, seconds)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from neighborconnect.contracts.models import CHAMPION
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

DAGSTER_RUN = "dagster_run"
"""Tag of an MLflow run: the Dagster run that started it."""
_TIMEOUT_SECONDS = 5.0
_DOWNLOAD_SECONDS = 60.0
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class RegistryError(RuntimeError):
    """MLflow does not answer, or not as expected."""


@dataclass(frozen=True, slots=True)
class Champion:
    """The version of a registered model that is served."""

    name: str
    registry_version: str
    run_id: str

    @property
    def model_version(self) -> str:
        """Its name in answers and events."""
        return model_version_name(self.name, run_id=self.run_id)


def model_version_name(name: str, *, run_id: str) -> str:
    """Name a version by its run, so that it stays unique even if the registry is rebuilt and counts from one."""
    return f"{name}-{run_id[:12]}"


def read_champion(settings: Settings, name: str) -> Champion | None:
    """Return the champion of a registered model; None when no version carries the alias.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with another error.
    """
    response = _get(
        settings,
        "/api/2.0/mlflow/registered-models/alias",
        {"name": name, "alias": CHAMPION},
        seconds=_TIMEOUT_SECONDS,
    )
    body = json_of(response)
    if response.is_success:
        found = body["model_version"]
        return Champion(name=name, registry_version=str(found["version"]), run_id=str(found["run_id"]))
    if body.get("error_code") in _UNKNOWN:
        return None
    raise RegistryError(f"MLflow answered {response.status_code}: {body.get('message', '')}")


def fetch_artifact(settings: Settings, run_id: str, path: str) -> bytes:
    """Return one file that a run logged.

    Args:
        settings: where MLflow is.
        run_id: the run.
        path: of the file, below the run's artefacts.

    Raises:
        RegistryError: when MLflow cannot be reached, or the run has no such file.
    """
    response = _get(settings, "/get-artifact", {"run_uuid": run_id, "path": path}, seconds=_DOWNLOAD_SECONDS)
    if not response.is_success:
        raise RegistryError(f"MLflow answered {response.status_code} for {path} of run {run_id}")
    return response.content


@cache
def http_client() -> httpx.Client:
    """Return the one client of this process."""
    # One a process: making one takes tens of milliseconds, in which nothing else of a service runs.
    return httpx.Client(trust_env=False)


def _get(settings: Settings, path: str, params: dict[str, str], *, seconds: float) -> httpx.Response:
    try:
        return http_client().get(
            settings.mlflow_tracking_uri.rstrip("/") + path,
            params=params,
            headers=bearer(settings.platform_token),
            timeout=seconds,
        )
    except httpx.HTTPError as error:
        raise RegistryError(f"MLflow at {settings.mlflow_tracking_uri} does not answer: {error}") from error


def json_of(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer; raises ``RegistryError`` where there is none."""
    try:
        body = response.json()
    except ValueError as error:
        raise RegistryError(f"MLflow answered {response.status_code} without JSON") from error
    return body if isinstance(body, dict) else {}
