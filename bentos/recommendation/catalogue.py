"""What is served: one predictor a kind of item, replaced whole when there is a newer champion or snapshot."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from minio.error import MinioException
from urllib3.exceptions import HTTPError

from models.recommendation.predictor import Predictor
from models.recommendation.registry import read_champion
from models.recommendation.snapshot import SnapshotError
from models.recommendation.snapshot_store import SnapshotStore
from models.registry import RegistryError
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

_log = get_logger(__name__)


class Catalogue:
    """Holds the predictors. Reading is safe from any thread: a request keeps the predictor that it took."""

    def __init__(self, settings: Settings) -> None:
        """Start empty; ``refresh`` fills it."""
        self._settings = settings
        self._store = SnapshotStore(settings)
        self._predictors: Mapping[ItemKind, Predictor] = {}
        self._refreshing = threading.Lock()
        self.has_looked = False
        """Whether every kind was looked up once, champion or not."""

    def predictor(self, kind: ItemKind) -> Predictor | None:
        """Return what ranks ``kind`` now; None before the first champion."""
        return self._predictors.get(kind)

    def serving(self) -> dict[str, dict[str, object]]:
        """Return version, snapshot and size of what is served, by kind."""
        return {
            kind.value: {
                "model_version": predictor.snapshot.model_version,
                "snapshot_version": predictor.snapshot.version,
                "items": len(predictor.snapshot.item_ids),
                "personal": predictor.snapshot.is_personal,
            }
            for kind, predictor in self._predictors.items()
        }

    def refresh(self) -> dict[str, dict[str, object]]:
        """Load what is newer, and return what is then served.

        When MLflow or the object store does not answer, what is held stays in service and a warning says so.
        """
        with self._refreshing:
            unknown = 0
            for kind in ItemKind:
                try:
                    self._refresh(kind)
                except (RegistryError, SnapshotError, MinioException, HTTPError, OSError) as error:
                    _log.warning("serving.not_refreshed", item_kind=kind.value, error=str(error))
                    unknown += 1
            self.has_looked = self.has_looked or not unknown
        return self.serving()

    def _refresh(self, kind: ItemKind) -> None:
        champion = read_champion(self._settings, kind)
        if champion is None:
            return
        version = self._store.newest_version(kind, model_version=champion.model_version)
        if version is None:
            _log.error("serving.champion_without_snapshot", item_kind=kind.value, version=champion.model_version)
            return
        held = self._predictors.get(kind)
        wanted = (champion.model_version, version)
        if held is not None and (held.snapshot.model_version, held.snapshot.version) == wanted:
            return
        predictor = Predictor(self._store.read(kind, model_version=champion.model_version, version=version))
        predictor.warm_up()
        self._predictors = {**self._predictors, kind: predictor}
        _log.info("serving.loaded", item_kind=kind.value, version=champion.model_version, snapshot=version)
