"""Files of MLflow's runs in the object store, read and changed by their names, without MLflow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

from minio import Minio

from neighborconnect.settings import Settings


class MlflowArtifacts:
    """The objects of MLflow's bucket."""

    def __init__(self, settings: Settings) -> None:
        """Take the URL and the bucket from the settings; no connection is opened yet."""
        address = urlsplit(settings.s3_endpoint_url)
        self._bucket = settings.s3_mlflow_bucket
        self._client = Minio(
            address.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=address.scheme == "https",
            region=settings.s3_region,
        )

    def named(self, file_name: str) -> Iterator[tuple[str, datetime]]:
        """Yield the key and the time of change (UTC) of every artifact with this file name, of all runs."""
        for item in self._client.list_objects(self._bucket, recursive=True):
            if item.object_name and item.object_name.endswith(f"/{file_name}") and item.last_modified:
                yield item.object_name, item.last_modified

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        response = self._client.get_object(self._bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def write(self, key: str, data: bytes) -> None:
        """Replace an object."""
        self._client.put_object(self._bucket, key, io.BytesIO(data), len(data))

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._client.remove_object(self._bucket, key)
