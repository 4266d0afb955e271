"""Where the snapshots of every model version are published."""

from __future__ import annotations

from models.recommendation.snapshot import ItemSnapshot, from_bytes, to_bytes
from models.shelf import Shelf
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import snapshot_prefix
from neighborconnect.settings import Settings


class SnapshotStore:
    """Publishes and reads the snapshots of every model version."""

    def __init__(self, settings: Settings) -> None:
        """Take the address and the bucket from the settings; no connection is opened yet."""
        self._settings = settings

    def publish(self, snapshot: ItemSnapshot) -> str:
        """Put ``snapshot`` up and drop those older than the newest three; return its key.

        Raises:
            ValueError: when a newer snapshot of the same model version is already there.
        """
        shelf = self._shelf(snapshot.kind, snapshot.model_version)
        return shelf.publish(snapshot.version, to_bytes(snapshot))

    def newest_version(self, kind: ItemKind, *, model_version: str) -> str | None:
        """Return the version of the newest snapshot; None when there is none."""
        return self._shelf(kind, model_version).newest()

    def read(self, kind: ItemKind, *, model_version: str, version: str) -> ItemSnapshot:
        """Read one snapshot.

        Raises:
            minio.error.S3Error: when there is none of that version.
            SnapshotError: when the object is not a snapshot.
        """
        return from_bytes(self._shelf(kind, model_version).read(version))

    def read_newest(self, kind: ItemKind, *, model_version: str) -> ItemSnapshot | None:
        """Read the newest snapshot of a model version; None when there is none."""
        version = self.newest_version(kind, model_version=model_version)
        return None if version is None else self.read(kind, model_version=model_version, version=version)

    def _shelf(self, kind: ItemKind, model_version: str) -> Shelf:
        return Shelf(self._settings, *snapshot_prefix(kind, model_version))
