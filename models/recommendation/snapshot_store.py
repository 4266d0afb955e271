"""Where snapshots are published: the lake's bucket, newest name wins, a few kept for those who still read them."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

from minio import Minio

from models.recommendation.snapshot import ItemSnapshot, from_bytes, to_bytes
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import snapshot_prefix
from neighborconnect.settings import Settings

KEPT = 3
_SUFFIX = ".safetensors"


class SnapshotStore:
    """Publishes and reads the snapshots of every model version."""

    def __init__(self, settings: Settings) -> None:
        """Take the address and the bucket from the settings; no connection is opened yet."""
        address = urlsplit(settings.s3_endpoint_url)
        self._bucket = settings.s3_lake_bucket
        self._client = Minio(
            address.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=address.scheme == "https",
            region=settings.s3_region,
        )

    def publish(self, snapshot: ItemSnapshot) -> str:
        """Put ``snapshot`` up and drop those older than the newest three; return its key.

        Raises:
            ValueError: when a newer snapshot of the same model version is already there.
        """
        keys = self._keys(snapshot.kind, model_version=snapshot.model_version)
        key = "/".join((*snapshot_prefix(snapshot.kind, snapshot.model_version), snapshot.version + _SUFFIX))
        if keys and keys[-1] >= key:
            raise ValueError(f"snapshot {snapshot.version} is not newer than {keys[-1]}")
        data = to_bytes(snapshot)
        self._client.put_object(self._bucket, key, io.BytesIO(data), len(data))
        for old in [*keys, key][:-KEPT]:
            self._client.remove_object(self._bucket, old)
        return key

    def newest_version(self, kind: ItemKind, *, model_version: str) -> str | None:
        """Return the version of the newest snapshot; None when there is none."""
        keys = self._keys(kind, model_version=model_version)
        return keys[-1].rsplit("/", 1)[-1].removesuffix(_SUFFIX) if keys else None

    def read(self, kind: ItemKind, *, model_version: str, version: str) -> ItemSnapshot:
        """Read one snapshot.

        Raises:
            minio.error.S3Error: when there is none of that version.
            SnapshotError: when the object is not a snapshot.
        """
        key = "/".join((*snapshot_prefix(kind, model_version), version + _SUFFIX))
        response = self._client.get_object(self._bucket, key)
        try:
            return from_bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def read_newest(self, kind: ItemKind, *, model_version: str) -> ItemSnapshot | None:
        """Read the newest snapshot of a model version; None when there is none."""
        version = self.newest_version(kind, model_version=model_version)
        return None if version is None else self.read(kind, model_version=model_version, version=version)

    def _keys(self, kind: ItemKind, *, model_version: str) -> list[str]:
        prefix = "/".join(snapshot_prefix(kind, model_version)) + "/"
        listed = self._client.list_objects(self._bucket, prefix=prefix)
        return sorted(item.object_name for item in listed if item.object_name and item.object_name.endswith(_SUFFIX))
