"""The media bucket, and links into it that expire."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import time
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from minio import Minio
from minio.error import S3Error

from neighborconnect.settings import Settings

LINK_SECONDS = 3_600
UPLOAD_SECONDS = 900
INCOMING = "incoming/"
"""Prefix of what clients send by a link. Nothing is shown from there, and what is older than a link is swept."""
_MISSING = frozenset({"NoSuchKey", "NoSuchObject"})


class Objects:
    """Objects of the media bucket; the client blocks, so each call runs in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._bucket = settings, settings.s3_media_bucket
        endpoint = urlsplit(settings.s3_endpoint_url)
        self._signs_with = Credentials(settings.s3_access_key, settings.s3_secret_key.get_secret_value())
        self._client = Minio(
            endpoint.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.s3_region,
        )

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Keep an object, replacing one of the same key."""
        await asyncio.to_thread(
            self._client.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type=content_type
        )

    async def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """Keep a file as an object, replacing one of the same key."""
        await asyncio.to_thread(self._client.fput_object, self._bucket, key, str(path), content_type=content_type)

    async def remove_under(self, prefix: str) -> int:
        """Remove every object whose key begins with ``prefix``; returns how many there were."""
        found = await asyncio.to_thread(
            lambda: [one.object_name for one in self._client.list_objects(self._bucket, prefix, recursive=True)]
        )
        keys = [key for key in found if key]
        await self.remove(*keys)
        return len(keys)

    async def get(self, key: str, *, at_most: int) -> bytes | None:
        """Return an object, None where there is none.

        Raises:
            ValueError: when it is larger than ``at_most`` bytes; it is not read then.
        """
        return await asyncio.to_thread(self._get, key, at_most)

    async def get_file(self, key: str, path: Path) -> bool:
        """Write an object to a file; returns whether there was one."""
        return await asyncio.to_thread(self._get_file, key, path)

    def _get_file(self, key: str, path: Path) -> bool:
        try:
            self._client.fget_object(self._bucket, key, str(path))
        except S3Error as error:
            if error.code in _MISSING:
                return False
            raise
        return True

    def _get(self, key: str, at_most: int) -> bytes | None:
        try:
            size = self._client.stat_object(self._bucket, key).size or 0
            if size > at_most:
                raise ValueError(f"{size} bytes are too many")
            response = self._client.get_object(self._bucket, key)
        except S3Error as error:
            if error.code in _MISSING:
                return None
            raise
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    async def remove(self, *keys: str) -> None:
        """Remove objects; those that are not there are no matter."""
        for key in keys:
            await asyncio.to_thread(self._client.remove_object, self._bucket, key)

    async def upload_link(self, key: str, *, size: int) -> str:
        """Return where a client may PUT an object of exactly so many bytes in the next minutes.

        ``Content-Length`` is among the signed headers: the store refuses any other size before it reads the body.
        """
        request = AWSRequest(
            "PUT",
            f"{self._settings.s3_endpoint_url.rstrip('/')}/{self._bucket}/{quote(key)}",
            headers={"content-length": str(size)},
        )
        S3SigV4QueryAuth(self._signs_with, "s3", self._settings.s3_region, expires=UPLOAD_SECONDS).add_auth(request)
        return str(request.url)

    async def remove_older(self, prefix: str, *, than: datetime) -> int:
        """Remove the objects under ``prefix`` that were last written before a time; returns how many there were."""
        found = await asyncio.to_thread(lambda: list(self._client.list_objects(self._bucket, prefix, recursive=True)))
        old = [one.object_name for one in found if one.object_name and one.last_modified and one.last_modified < than]
        await self.remove(*old)
        return len(old)

    async def remove_of(self, user_id: str) -> int:
        """Remove every object of a person, those that were only just sent included; returns how many there were."""
        return await self.remove_under(f"{user_id}/") + await self.remove_under(f"{INCOMING}{user_id}/")

    async def source(self, key: str) -> str:
        """Return where one of our own services reads an object within the hour: the store itself."""
        return await asyncio.to_thread(
            self._client.presigned_get_object, self._bucket, key, timedelta(seconds=LINK_SECONDS)
        )

    async def target(self, key: str) -> str:
        """Return where one of our own services writes an object within the hour; a video may take most of it."""
        return await asyncio.to_thread(
            self._client.presigned_put_object, self._bucket, key, timedelta(seconds=LINK_SECONDS)
        )

    async def link(self, key: str) -> str:
        """Return where an object can be had for an hour: at the CDN, or from the bucket itself.

        A CDN checks ``signature``, the hex HMAC-SHA-256 of ``path`` and ``expires`` on two lines.
        """
        base, secret = self._settings.cdn_base_url, self._settings.cdn_secret
        if base is None or secret is None:
            return await asyncio.to_thread(
                self._client.presigned_get_object, self._bucket, key, timedelta(seconds=LINK_SECONDS)
            )
        path, expires = f"/{quote(key)}", int(time.time()) + LINK_SECONDS
        signed = f"{path}\n{expires}".encode()
        signature = hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
        return f"{base.rstrip('/')}{path}?{urlencode({'expires': expires, 'signature': signature})}"
