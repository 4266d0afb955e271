"""Media bucket, and signed links to its objects."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import re
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit
from uuid import UUID

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr

from neighborconnect.settings import Settings
from transactional_api.core.media.signed_links import UUID_PATTERN, Target, note_link

LINK_SECONDS = 3_600
"""Minimum validity of a link."""
WINDOW_SECONDS = 900
"""A link stays the same within this window, so that browsers can cache the object; its validity is extended by it."""
UPLOAD_SECONDS = 900
INCOMING = "incoming/"
"""Prefix of direct uploads. Objects under it are never shown, and are removed once their link has expired."""
_KEY = re.compile(rf"(?P<key>{UUID_PATTERN}/{UUID_PATTERN})(?:[-.][\w.-]+)?")
_UPLOAD_PATH = re.compile(rf"/api/v1/media/(?:avatars/)?(?P<id>{UUID_PATTERN})")
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

    @property
    def secret(self) -> SecretStr:
        """Key that signs links."""
        return self._settings.s3_secret_key

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object, replacing one of the same key."""
        await asyncio.to_thread(
            self._client.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type=content_type
        )

    async def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """Store a file as an object, replacing one of the same key."""
        await asyncio.to_thread(self._client.fput_object, self._bucket, key, str(path), content_type=content_type)

    async def remove_under(self, prefix: str) -> int:
        """Remove every object whose key begins with ``prefix``; return their number."""
        found = await asyncio.to_thread(
            lambda: [one.object_name for one in self._client.list_objects(self._bucket, prefix, recursive=True)]
        )
        keys = [key for key in found if key]
        await self.remove(*keys)
        return len(keys)

    async def get(self, key: str, *, at_most: int) -> bytes | None:
        """Return an object, or None if it does not exist.

        Raises:
            ValueError: when it is larger than ``at_most`` bytes; it is not read.
        """
        return await asyncio.to_thread(self._get, key, at_most)

    async def get_file(self, key: str, path: Path) -> bool:
        """Write an object to a file; return whether it existed."""
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
        """Remove objects; missing ones are ignored."""
        for key in keys:
            await asyncio.to_thread(self._client.remove_object, self._bucket, key)

    def target_of(self, link: str) -> str | UUID | None:
        """Return the upload that a link of ours leads to, by its key or its id; None for any other link.

        Whether the link is still good does not matter: it only names the upload.
        """
        parts = urlsplit(link)
        path, origin = unquote(parts.path), f"{parts.scheme}://{parts.netloc}"
        if _origin(self._settings.public_url) == origin:
            named = _UPLOAD_PATH.fullmatch(path.removeprefix(urlsplit(self._settings.public_url).path.rstrip("/")))
            if named:
                return UUID(named["id"])
        for base in self._bases:
            if link.startswith(base) and (found := _KEY.fullmatch(unquote(urlsplit(link[len(base) :]).path))):
                return found["key"]
        return None

    @property
    def _bases(self) -> list[str]:
        # The client knows which host a bucket has at AWS.
        signed = self._client.presigned_get_object(self._bucket, "x").partition("?")[0]
        bases = [signed.removesuffix("x"), f"{self._settings.s3_endpoint_url.rstrip('/')}/{self._bucket}/"]
        if self._settings.cdn_base_url is not None:
            bases.append(self._settings.cdn_base_url.rstrip("/") + "/")
        return bases

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
        note_link(str(request.url), Target(key, size))
        return str(request.url)

    async def remove_older(self, prefix: str, *, than: datetime) -> int:
        """Remove the objects under ``prefix`` that were last written before a time; return their number."""
        found = await asyncio.to_thread(lambda: list(self._client.list_objects(self._bucket, prefix, recursive=True)))
        old = [one.object_name for one in found if one.object_name and one.last_modified and one.last_modified < than]
        await self.remove(*old)
        return len(old)

    async def remove_of(self, user_id: str) -> int:
        """Remove every object of a person, those that were only just sent included; return their number."""
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
        """Return where an object can be had for an hour at least: at the CDN, or from the bucket itself.

        A CDN checks ``signature``, the hex HMAC-SHA-256 of ``path`` and ``expires`` on two lines.
        """
        return (await self.links([key]))[key]

    async def links(self, keys: Collection[str]) -> dict[str, str]:
        """Return the links of several objects, by key."""
        begin = int(time.time()) // WINDOW_SECONDS * WINDOW_SECONDS
        signed = await asyncio.to_thread(lambda: {key: self._signed(key, begin) for key in keys})
        for key, link in signed.items():
            note_link(link, Target(key))
        return signed

    def _signed(self, key: str, begin: int) -> str:
        base, secret = self._settings.cdn_base_url, self._settings.cdn_secret
        seconds = LINK_SECONDS + WINDOW_SECONDS
        if base is None or secret is None:
            return self._client.presigned_get_object(
                self._bucket, key, timedelta(seconds=seconds), request_date=datetime.fromtimestamp(begin, UTC)
            )
        path, expires = f"/{quote(key)}", begin + seconds
        signed = f"{path}\n{expires}".encode()
        signature = hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
        return f"{base.rstrip('/')}{path}?{urlencode({'expires': expires, 'signature': signature})}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
