"""Store of versioned serving artifacts in the lake's bucket: item indexes and social graphs."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

from minio import Minio

from neighborconnect.settings import Settings

RETAINED_VERSIONS = 3
_SUFFIX = ".safetensors"


class ArtifactStore:
    """Versions of one artifact, whose names sort by age; the newest three are retained for readers of older ones."""

    def __init__(self, settings: Settings, *prefix: str) -> None:
        """Take the URL and the bucket from the settings; no connection is opened yet.

        Args:
            settings: URL and credentials of the object store.
            prefix: path segments of the artifact below the bucket.
        """
        address = urlsplit(settings.s3_endpoint_url)
        self._bucket = settings.s3_lake_bucket
        self._prefix = "/".join(prefix) + "/"
        self._client = Minio(
            address.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=address.scheme == "https",
            region=settings.s3_region,
        )

    def publish(self, version: str, data: bytes) -> str:
        """Store a version, delete all but the newest three, and return its key.

        Raises:
            ValueError: when a version with the same or a later name exists.
        """
        keys = self._keys()
        key = self._key(version)
        if keys and keys[-1] >= key:
            raise ValueError(f"version {version} is not newer than {keys[-1]}")
        self._client.put_object(self._bucket, key, io.BytesIO(data), len(data))
        for old in [*keys, key][:-RETAINED_VERSIONS]:
            self._client.remove_object(self._bucket, old)
        return key

    def newest(self) -> str | None:
        """Return the newest version; None when there is none."""
        keys = self._keys()
        return keys[-1].removeprefix(self._prefix).removesuffix(_SUFFIX) if keys else None

    def read(self, version: str) -> bytes:
        """Return one version; raises ``minio.error.S3Error`` when it does not exist."""
        response = self._client.get_object(self._bucket, self._key(version))
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _key(self, version: str) -> str:
        return self._prefix + version + _SUFFIX

    def _keys(self) -> list[str]:
        listed = self._client.list_objects(self._bucket, prefix=self._prefix)
        return sorted(item.object_name for item in listed if item.object_name and item.object_name.endswith(_SUFFIX))
