"""Ask MLflow's registry over HTTP which version is the champion, without importing MLflow (200 MB, seconds)."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import CHAMPION, REGISTERED_MODEL
from neighborconnect.settings import Settings

_TIMEOUT_SECONDS = 5.0
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class RegistryError(RuntimeError):
    """MLflow does not answer, or not as expected."""


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that is served. ``model_version`` is its name in features, snapshots and answers."""

    kind: ItemKind
    registry_version: str
    run_id: str
    model_version: str


def model_version_name(kind: ItemKind, *, run_id: str) -> str:
    """Name a version by its run, so that it stays unique even if the registry is rebuilt and counts from one."""
    return f"{kind.value}-{run_id[:12]}"


def read_champion(settings: Settings, kind: ItemKind) -> Champion | None:
    """Return the champion of one kind; None when no version carries the alias.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with another error.
    """
    url = settings.mlflow_tracking_uri.rstrip("/") + "/api/2.0/mlflow/registered-models/alias"
    try:
        response = httpx.get(url, params={"name": REGISTERED_MODEL[kind], "alias": CHAMPION}, timeout=_TIMEOUT_SECONDS)
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise RegistryError(f"MLflow at {settings.mlflow_tracking_uri} does not answer: {error}") from error
    if response.is_success:
        found = body["model_version"]
        return Champion(
            kind=kind,
            registry_version=found["version"],
            run_id=found["run_id"],
            model_version=model_version_name(kind, run_id=found["run_id"]),
        )
    if body.get("error_code") in _UNKNOWN:
        return None
    raise RegistryError(f"MLflow answered {response.status_code}: {body.get('message', '')}")
