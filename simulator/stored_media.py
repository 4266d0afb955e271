"""Stores of uploads: the media bucket, and MongoDB for documents where the platform uses it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import urlsplit

import polars as pl
from minio import Minio
from pymongo import MongoClient

from neighborconnect.contracts.tables import CAPTURED_DOCUMENTS
from neighborconnect.settings import Settings
from simulator.uploads import DOCUMENTS, Upload

_MONGO_DATABASE = "neighborconnect"
_STORE_THREADS = 8


class ObjectStore(Protocol):
    """Media bucket."""

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object, replacing one of the same key."""
        ...


class MediaBucket:
    """The platform's media bucket; calls block."""

    def __init__(self, settings: Settings) -> None:
        endpoint = urlsplit(settings.s3_endpoint_url)
        self._bucket = settings.s3_media_bucket
        self._client = Minio(
            endpoint.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.s3_region,
        )

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object, replacing one of the same key."""
        self._client.put_object(self._bucket, key, BytesIO(data), len(data), content_type=content_type)

    def remove(self, key: str) -> None:
        """Remove an object; a missing one is ignored."""
        self._client.remove_object(self._bucket, key)


def store(uploads: Sequence[Upload], bucket: ObjectStore) -> Iterator[str]:
    """Store the objects of uploads, and yield the key of each."""

    def put(stored: tuple[str, bytes, str]) -> str:
        key, data, content_type = stored
        bucket.put(key, data, content_type=content_type)
        return key

    with ThreadPoolExecutor(_STORE_THREADS) as threads:
        yield from threads.map(put, (stored for upload in uploads for stored in upload.objects()))


class DocumentDatabase:
    """MongoDB if it is configured; otherwise documents are rows of PostgreSQL."""

    def __init__(self, settings: Settings) -> None:
        self._mongo_url = settings.mongo_url
        self._inserted: dict[str, list[str]] = {}

    def divert(self, rows: Iterable[tuple[str, pl.DataFrame]]) -> Iterator[tuple[str, pl.DataFrame]]:
        """Insert the documents among the rows into MongoDB if it is configured, and yield the other rows.

        Of captured documents, it yields the pending changes, which the platform's job publishes within two minutes.
        """
        for table, frame in rows:
            if table == DOCUMENTS and self._mongo_url:
                self._insert(frame)
                pending = frame.filter(pl.col("collection").is_in([one.name for one in CAPTURED_DOCUMENTS]))
                if len(pending):
                    yield "document_changes", pending.select("collection", document_id="id")
            else:
                yield table, frame

    def remove_inserted(self) -> None:
        """Remove what ``divert`` inserted."""
        if self._inserted:
            with self._database() as client:
                for collection, ids in self._inserted.items():
                    client[_MONGO_DATABASE][collection].delete_many({"_id": {"$in": ids}})

    def _insert(self, frame: pl.DataFrame) -> None:
        with self._database() as client:
            for (collection,), rows in frame.group_by("collection", maintain_order=True):
                self._inserted.setdefault(str(collection), []).extend(rows["id"])
                client[_MONGO_DATABASE][str(collection)].insert_many(
                    {
                        "_id": row["id"],
                        "document": json.loads(row["document"]),
                        "created_at": row["created_at"],
                        "expires_at": row.get("expires_at"),
                    }
                    for row in rows.iter_rows(named=True)
                )

    def _database(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self._mongo_url)
