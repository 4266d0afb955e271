"""Read access to MLflow's model registry: the versions of each model, the champion, and the metrics of its run.

Promotions and rollbacks are commands of the pipelines: the API has no rights to change the registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from neighborconnect.contracts.models import CHAMPION, MODELS
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings
from transactional_api.core.errors import NotFoundError

MAX_VERSIONS: Final = 10
_API: Final = "/api/2.0/mlflow"
_SECONDS: Final = 5.0
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
    url = settings.mlflow_tracking_uri.rstrip("/") + _API + path
    try:
        async with http.get(url, params=query) as got:
            if got.status == HTTPStatus.NOT_FOUND:
                return {}
            if got.status != HTTPStatus.OK:
                raise RegistryUnavailableError
            body = await got.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        raise RegistryUnavailableError from None
    return body if isinstance(body, dict) else {}
