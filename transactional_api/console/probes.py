"""State of the platform as a process of the API sees it: services in reach, workers of its home, versions, disk."""

from __future__ import annotations

import asyncio
import platform
import shutil
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.health import WorkerHealth, reports
from neighborconnect.settings import Settings, home

PROBE_SECONDS: Final = 1.5
_VERSIONS: Final = text("SELECT current_setting('server_version'), (SELECT version_num FROM alembic_version)")


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Answer of a service to its probe; ``state`` is ``ready``, ``not ready``, ``no answer`` or ``not deployed``."""

    name: str
    url: str
    state: str
    milliseconds: float | None

    @property
    def is_ready(self) -> bool:
        """Whether it answered that it is ready."""
        return self.state == "ready"


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the platform and of what it runs on."""

    platform: str
    python: str
    postgresql: str
    schema: str


@dataclass(frozen=True, slots=True)
class Disk:
    """Disk of the data folder, in bytes."""

    path: str
    total: int
    free: int

    @property
    def used_share(self) -> float:
        """Used share, from 0 to 1."""
        return 1 - self.free / self.total


async def probe_services(settings: Settings) -> list[ServiceState]:
    """Probe every service that has a health route, at the same time."""
    targets = [
        ("recommendation", settings.recommendation_url, "/readyz"),
        ("content", settings.content_url, "/readyz"),
        ("matching", settings.matching_url, "/readyz"),
        ("image", settings.image_url, "/readyz"),
        ("video", settings.video_url, "/readyz"),
        ("MLflow", settings.mlflow_tracking_uri, "/health"),
        ("Dagster", settings.dagster_url, "/server_info"),
    ]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        return list(await asyncio.gather(*(_probe(http, *target) for target in targets)))


async def _probe(http: aiohttp.ClientSession, name: str, url: str | None, path: str) -> ServiceState:
    if url is None:
        return ServiceState(name, "", "not deployed", None)
    began = asyncio.get_running_loop().time()
    try:
        async with http.get(url + path, timeout=aiohttp.ClientTimeout(total=PROBE_SECONDS)) as got:
            state = "ready" if got.status == HTTPStatus.OK else "not ready"
    except (aiohttp.ClientError, TimeoutError, OSError):
        return ServiceState(name, url, "no answer", None)
    return ServiceState(name, url, state, (asyncio.get_running_loop().time() - began) * 1_000)


async def versions(session: AsyncSession) -> Versions:
    """Return the versions of the platform, Python, PostgreSQL and the schema."""
    postgresql, schema = (await session.execute(_VERSIONS)).one()
    return Versions(version("neighborconnect"), platform.python_version(), postgresql, schema)


def worker_reports() -> dict[str, WorkerHealth]:
    """Return the reports of the workers that share the data folder of this process."""
    return reports()


def disk() -> Disk:
    """Return the state of the disk of the data folder, or of the folder that will contain it."""
    folder = home()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return Disk(str(folder), usage.total, usage.free)
