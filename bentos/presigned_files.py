"""Client for files behind presigned URLs: uploads are read from, and renditions written to, the URLs of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from bentoml.exceptions import BadInput, ServiceUnavailable

from bentos.workers import RejectedFileError
from neighborconnect.settings import Settings

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1024 * 1024


class PresignedFiles:
    """Object store client without credentials; only URLs of the platform's own hosts are accepted."""

    def __init__(self, settings: Settings, *, max_bytes: int) -> None:
        """Create the client.

        Args:
            settings: URLs of the object store and the CDN.
            max_bytes: size limit of a file that is read.
        """
        self._max_bytes = max_bytes
        urls = (settings.s3_endpoint_url, settings.cdn_base_url)
        self._hosts = {urlsplit(url).netloc for url in urls if url}
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def read(self, url: str) -> bytes:
        """Return the file.

        Raises:
            BadInput: when the URL is not of a host of the platform.
            RejectedFileError: when there is no file, or it is too large.
            ServiceUnavailable: when the object store does not respond.
        """
        return b"".join([chunk async for chunk in self._chunks(url)])

    async def download(self, url: str, path: Path) -> None:
        """Write the file to ``path``; raises as ``read`` does."""
        with path.open("wb") as file:
            async for chunk in self._chunks(url):
                file.write(chunk)

    async def _chunks(self, url: str) -> AsyncIterator[bytes]:
        self._check_host(url)
        size = 0
        try:
            async with self._http.stream("GET", url) as response:
                self._check_status(response)
                async for chunk in response.aiter_bytes():
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise RejectedFileError(f"It is larger than {self._max_bytes // 1024**2} MiB")
                    yield chunk
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"The file could not be read: {error!r}") from error

    async def write(self, url: str, data: bytes, *, content_type: str) -> None:
        """Write a file; raises as ``read`` does."""
        await self._put(url, data, size=len(data), content_type=content_type)

    async def upload(self, url: str, path: Path, *, content_type: str) -> None:
        """Write the file at ``path`` in chunks; raises as ``read`` does."""

        async def chunks() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk

        size = (await asyncio.to_thread(path.stat)).st_size
        await self._put(url, chunks(), size=size, content_type=content_type)

    async def _put(self, url: str, content: bytes | AsyncIterator[bytes], *, size: int, content_type: str) -> None:
        self._check_host(url)
        headers = {"content-type": content_type, "content-length": str(size)}
        try:
            self._check_status(await self._http.put(url, content=content, headers=headers))
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"The file could not be written: {error!r}") from error

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.netloc not in self._hosts:
            raise BadInput("URLs must be of the platform's own hosts")

    @staticmethod
    def _check_status(response: httpx.Response) -> None:
        if response.is_server_error:
            raise ServiceUnavailable(f"The object store responded with {response.status_code}")
        if response.is_error:
            raise RejectedFileError("It does not exist, or the URL has expired")
