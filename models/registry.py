"""Read access to MLflow's model registry over HTTP, without importing MLflow (200 MB, seconds)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from neighborconnect.contracts.models import CHAMPION, REGISTERED_MODEL
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

DAGSTER_RUN = "dagster_run"
"""Tag of an MLflow run: the id of the Dagster run that started it."""
NOT_FOUND_CODES = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""Error codes with which MLflow reports that no version has an alias."""
_TIMEOUT_SECONDS = 5.0
_DOWNLOAD_SECONDS = 60.0
_VERSION_PREFIX = {name: kind.value for kind, name in REGISTERED_MODEL.items()}


class RegistryError(RuntimeError):
    """MLflow does not respond, or responds with an error."""


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """Version of a registered model, and the run that logged its files."""

    name: str
    registry_version: str
    run_id: str

    @property
    def model_version(self) -> str:
        """Name of the version in features, serving artifacts, responses and events."""
        return model_version_name(self.name, run_id=self.run_id)


def model_version_name(name: str, *, run_id: str) -> str:
    """Name a version by its run, so that it stays unique if the registry is rebuilt and counts from one again.

    Recommenders are named by their kind of item (``post-<run>``), other models by the registered model.
    """
    return f"{_VERSION_PREFIX.get(name, name)}-{run_id[:12]}"


def read_champion(settings: Settings, name: str) -> RegisteredVersion | None:
    """Return the champion of a registered model; None when no version has the alias.

    Raises:
        RegistryError: when MLflow does not respond, or responds with another error.
    """
    response = _get(
        settings,
        "/api/2.0/mlflow/registered-models/alias",
        {"name": name, "alias": CHAMPION},
        seconds=_TIMEOUT_SECONDS,
    )
    body = json_object(response)
    if response.is_success:
        version = body["model_version"]
        return RegisteredVersion(name, registry_version=str(version["version"]), run_id=str(version["run_id"]))
    if body.get("error_code") in NOT_FOUND_CODES:
        return None
    raise RegistryError(f"MLflow responded with {response.status_code}: {body.get('message', '')}")


def fetch_artifact(settings: Settings, run_id: str, path: str) -> bytes:
    """Return one file that a run logged.

    Args:
        settings: URL of MLflow.
        run_id: the run.
        path: path of the file below the run's artifacts.

    Raises:
        RegistryError: when MLflow does not respond, or the run has no such file.
    """
    response = _get(settings, "/get-artifact", {"run_uuid": run_id, "path": path}, seconds=_DOWNLOAD_SECONDS)
    if not response.is_success:
        raise RegistryError(f"MLflow responded with {response.status_code} for {path} of run {run_id}")
    return response.content


@cache
def http_client() -> httpx.Client:
    """Return the HTTP client of this process."""
    # One per process: creating one takes tens of milliseconds, in which no other thread of a service runs.
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
        raise RegistryError(f"MLflow at {settings.mlflow_tracking_uri} does not respond: {error}") from error


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of a response; raises ``RegistryError`` when the body is not JSON."""
    try:
        body = response.json()
    except ValueError as error:
        raise RegistryError(f"MLflow responded with {response.status_code} without JSON") from error
    return body if isinstance(body, dict) else {}
