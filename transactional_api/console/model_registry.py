"""Read access to MLflow's model registry: the versions of each model, the champion, and the metrics of its run.

The pipelines make promotions and rollbacks: the API has no rights to change the registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import aiohttp

from neighborconnect.contracts.models import CHAMPION, MODELS
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from transactional_api.core.errors import NotFoundError

MAX_VERSIONS: Final = 10
MAX_CHANGES: Final = 20
_API: Final = "/api/2.0/mlflow"
_SECONDS: Final = 5.0
_LIFECYCLE: Final = "model-lifecycle"
"""Experiment with one run for each change of a champion (``models.lifecycle``)."""
_GATE, _HEADLINE, _COMMIT, _USER = "gate", "headline", "mlflow.source.git.commit", "mlflow.user"


class RegistryUnavailableError(Exception):
    """MLflow does not respond, or responds with an error."""


@dataclass(frozen=True, slots=True)
class Version:
    """Registered version with its run.

    Attributes:
        number: number in MLflow.
        run_id: MLflow run that trained it.
        created_at: time of the registration.
        is_champion: whether it is served.
        gate: ``passed`` or ``refused``; None if it is not recorded.
        headline: its most important metrics in one line.
        commit: git commit of the training, or an empty string.
        user: user of the operating system that ran the training, or an empty string.
        metrics: metrics by name.
    """

    number: str
    run_id: str
    created_at: datetime
    is_champion: bool
    gate: str | None
    headline: str
    commit: str
    user: str
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Metric of a version; ``low`` and ``high`` are the ends of its interval where the training logged them."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Change of a champion: when it was made, by whom and why.

    Attributes:
        at: time of the change.
        version: number of the new champion.
        previous: number of the one before, or ``none``.
        action: ``promote`` or ``rollback``.
        account: id of the account of the admin who requested it; None for a change by a command or a pipeline.
        user: user of the operating system that made it.
        dagster_run: id of the Dagster run that made it, or an empty string.
        reason: reason, or an empty string.
    """

    at: datetime
    version: str
    previous: str
    action: str
    account: UUID | None
    user: str
    dagster_run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """Registered model with its newest versions; no versions before the first training."""

    name: str
    description: str
    versions: list[Version]

    @property
    def champion(self) -> Version | None:
        """Version that is served."""
        return next((version for version in self.versions if version.is_champion), None)


async def champions(settings: Settings) -> list[Model]:
    """Return every model with its champion alone; raises ``RegistryUnavailableError``."""
    async with _client(settings) as http:
        return list(await asyncio.gather(*(_model(http, settings, name, limit=0) for name in MODELS)))


async def model(settings: Settings, name: str) -> Model:
    """Return a model with its champion and its newest versions.

    Raises:
        NotFoundError: for an unknown name.
        RegistryUnavailableError: MLflow does not respond.
    """
    if name not in MODELS:
        raise NotFoundError
    async with _client(settings) as http:
        return await _model(http, settings, name, limit=MAX_VERSIONS)


async def changes(settings: Settings, name: str) -> list[Change]:
    """Return the newest changes of the champion of a model, the newest first; raises ``RegistryUnavailableError``."""
    async with _client(settings) as http:
        found = await get_json(http, settings, "/experiments/get-by-name", {"experiment_name": _LIFECYCLE})
        if "experiment" not in found:
            return []
        query = {
            "experiment_ids": [found["experiment"]["experiment_id"]],
            "filter": f"attributes.status = 'FINISHED' AND tags.model = '{name}'",
            "order_by": ["attributes.start_time DESC"],
            "max_results": MAX_CHANGES,
        }
        runs = (await search_runs(http, settings, query)).get("runs", ())
    return [_change(run) for run in runs]


def estimates(metrics: Mapping[str, float]) -> dict[str, Estimate]:
    """Return metrics with their intervals: ``x_low`` and ``x_high`` are the interval of ``x`` or ``x_mean``."""
    found = {}
    for name, value in metrics.items():
        stem = name.removesuffix("_mean")
        low, high = metrics.get(f"{stem}_low"), metrics.get(f"{stem}_high")
        if name.endswith(("_low", "_high")) and {stem_of(name), f"{stem_of(name)}_mean"} & metrics.keys():
            continue
        found[stem if low is not None else name] = Estimate(value, low, high)
    return found


def stem_of(name: str) -> str:
    """Return the name of the metric that a bound belongs to."""
    return name.removesuffix("_low").removesuffix("_high")


def _change(run: Mapping[str, Any]) -> Change:
    tags = {one["key"]: one["value"] for one in run["data"].get("tags", ())}
    return Change(
        at=datetime.fromtimestamp(int(run["info"]["start_time"]) / 1_000, UTC),
        version=tags.get("version", ""),
        previous=tags.get("previous_version", ""),
        action=tags.get("action", ""),
        account=UUID(account) if (account := tags.get("requested_by")) else None,
        user=tags.get(_USER, ""),
        dagster_run=tags.get("dagster_run", ""),
        reason=tags.get("reason", ""),
    )


async def _model(http: aiohttp.ClientSession, settings: Settings, name: str, *, limit: int) -> Model:
    found = await get_json(http, settings, "/registered-models/get", {"name": name})
    registered = found.get("registered_model")
    if registered is None:
        return Model(name, "", [])
    champion = next((one["version"] for one in registered.get("aliases", ()) if one["alias"] == CHAMPION), None)
    listed: dict[str, Mapping[str, Any]] = {}
    if limit:
        query = {"filter": f"name='{name}'", "max_results": str(limit), "order_by": "version_number DESC"}
        newest = await get_json(http, settings, "/model-versions/search", query)
        listed = {one["version"]: one for one in newest.get("model_versions", ())}
    if champion is not None and champion not in listed:
        got = await get_json(http, settings, "/model-versions/get", {"name": name, "version": champion})
        listed[champion] = got["model_version"]
    versions = await asyncio.gather(
        *(_version(http, settings, one, is_champion=number == champion) for number, one in listed.items())
    )
    newest_first = sorted(versions, key=lambda one: int(one.number), reverse=True)
    return Model(name, registered.get("description", ""), newest_first)


async def _version(
    http: aiohttp.ClientSession, settings: Settings, registered: Mapping[str, Any], *, is_champion: bool
) -> Version:
    run_id = registered.get("run_id", "")
    data: Mapping[str, Any] = {}
    if run_id:
        data = (await get_json(http, settings, "/runs/get", {"run_id": run_id})).get("run", {}).get("data", {})
    tags = {one["key"]: one["value"] for one in data.get("tags", ())}
    return Version(
        number=registered["version"],
        run_id=run_id,
        created_at=datetime.fromtimestamp(int(registered["creation_timestamp"]) / 1_000, UTC),
        is_champion=is_champion,
        gate=tags.get(_GATE),
        headline=tags.get(_HEADLINE, ""),
        commit=tags.get(_COMMIT, ""),
        user=tags.get(_USER, ""),
        metrics={one["key"]: float(one["value"]) for one in data.get("metrics", ())},
    )


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=bearer(settings.platform_token),
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as http:
        yield http


async def get_json(
    http: aiohttp.ClientSession, settings: Settings, path: str, query: Mapping[str, str]
) -> dict[str, Any]:
    """Return the JSON object of a path of MLflow's API; empty where it does not exist.

    Raises:
        RegistryUnavailableError: MLflow does not respond, or responds with another error.
    """
    return await _respond(http.get(_url(settings, path), params=query))


async def search_runs(http: aiohttp.ClientSession, settings: Settings, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a search of runs, a POST that reads; raises as ``get_json``."""
    return await _respond(http.post(_url(settings, "/runs/search"), json=dict(query)))


def _url(settings: Settings, path: str) -> str:
    return settings.mlflow_tracking_uri.rstrip("/") + _API + path


async def _respond(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> dict[str, Any]:
    try:
        async with request as got:
            if got.status == HTTPStatus.NOT_FOUND:
                return {}
            if got.status != HTTPStatus.OK:
                raise RegistryUnavailableError
            body = await got.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        raise RegistryUnavailableError from None
    return body if isinstance(body, dict) else {}
