"""Champion models in memory: loading, atomic replacement and periodic refresh."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from minio.error import MinioException
from urllib3.exceptions import HTTPError

from models.registry import RegisteredVersion, RegistryError, read_champion
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

POLL_SECONDS = 15.0
_FIRST_POLL_SECONDS = 1.0

Loaded = TypeVar("Loaded")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServingVersion:
    """Champion, and the version of the artifact it is served with (item index, social graph) where it needs one."""

    champion: RegisteredVersion
    artifact_version: str = ""


class LoadedChampion(Generic[Loaded]):
    """Champion of one registered model in memory, replaced atomically by a newer one.

    Safe from any thread: a request uses the object that it took until it ends.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        load: Callable[[Settings, ServingVersion], Loaded],
        newest_artifact: Callable[[RegisteredVersion], str | None] | None = None,
    ) -> None:
        """Start empty; ``refresh`` loads.

        Args:
            settings: URLs of MLflow and the object store.
            name: registered model.
            load: builds the served object; may raise ``RegistryError``, ``ValueError`` or an object store error.
            newest_artifact: newest version of the artifact that is served with a champion, None where there is none
                yet; left out for models that are served from their registered files alone.
        """
        self._settings = settings
        self._name = name
        self._load = load
        self._newest_artifact = newest_artifact
        self._refreshing = threading.Lock()
        self.version: ServingVersion | None = None
        """Version of ``loaded``."""
        self.loaded: Loaded | None = None
        self.has_polled = False
        """Whether one poll has succeeded, with or without a champion."""

    def refresh(self) -> dict[str, str | None]:
        """Load the champion or its artifact if either is newer, and return the served model version by model name.

        When MLflow or the object store does not respond, or the version cannot be loaded, the loaded version stays in
        service and a warning is logged.
        """
        with self._refreshing:
            try:
                self._poll()
                self.has_polled = True
            except (RegistryError, ValueError, MinioException, HTTPError, OSError) as error:
                _log.warning("serving.refresh_failed", model=self._name, error=f"{type(error).__name__}: {error}")
        return {self._name: None if self.version is None else self.version.champion.model_version}

    def _poll(self) -> None:
        champion = read_champion(self._settings, self._name)
        if champion is None:
            return
        artifact_version = "" if self._newest_artifact is None else self._newest_artifact(champion)
        if artifact_version is None:
            _log.error("serving.artifact_missing", model=self._name, version=champion.model_version)
            return
        newest = ServingVersion(champion, artifact_version)
        if newest != self.version:
            self.loaded, self.version = self._load(self._settings, newest), newest
            _log.info("serving.loaded", model=self._name, version=champion.model_version, artifact=artifact_version)


class RefreshLoop:
    """Background task that polls the registry for newer champions, each poll in a worker thread."""

    def __init__(self, *champions: LoadedChampion[Any]) -> None:
        """Take the champions to refresh; nothing runs before ``start``."""
        self._champions = champions
        self._task: asyncio.Task[None] | None = None

    @property
    def has_polled(self) -> bool:
        """Whether one poll of every champion has succeeded: the service is then ready, even without a champion."""
        return all(champion.has_polled for champion in self._champions)

    def start(self) -> None:
        """Start the task, from a coroutine of the service's event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cancel the task and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> dict[str, str | None]:
        """Poll now, in a worker thread, and return the served model version by model name."""
        return await asyncio.to_thread(self._refresh_all)

    def _refresh_all(self) -> dict[str, str | None]:
        return {name: version for champion in self._champions for name, version in champion.refresh().items()}

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001
                # The loop must outlive any error: a stopped loop would serve an outdated model indefinitely.
                _log.exception("serving.refresh_crashed")
            await asyncio.sleep(POLL_SECONDS if self.has_polled else _FIRST_POLL_SECONDS)
