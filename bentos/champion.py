"""What a service serves: the champion of one registered model, replaced whole when there is another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from models.registry import Champion, RegistryError, read_champion
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

Served = TypeVar("Served")

_log = get_logger(__name__)


class Held(Generic[Served]):
    """Holds what was made of the champion. Safe from any thread: a request keeps what it took."""

    def __init__(self, settings: Settings, *, name: str, load: Callable[[Settings, Champion], Served]) -> None:
        """Start empty; ``refresh`` fills it.

        Args:
            settings: where MLflow is.
            name: of the registered model.
            load: makes of a champion what is served; may raise ``RegistryError`` or ``ValueError``.
        """
        self._settings = settings
        self._name = name
        self._load = load
        self._refreshing = threading.Lock()
        self._version: str | None = None
        self.served: Served | None = None
        self.has_looked = False
        """Whether the registry has answered once, champion or not."""

    def refresh(self) -> dict[str, str | None]:
        """Load the champion if it is another one, and return what is then served.

        When MLflow does not answer, or the version cannot be loaded, what is held stays, and a warning says so.
        """
        with self._refreshing:
            try:
                champion = read_champion(self._settings, self._name)
                if champion is not None and champion.model_version != self._version:
                    self.served = self._load(self._settings, champion)
                    self._version = champion.model_version
                    _log.info("serving.loaded", model=self._name, version=self._version)
                self.has_looked = True
            except (RegistryError, ValueError) as error:
                _log.warning("serving.not_refreshed", model=self._name, error=str(error))
        return {self._name: self._version}
