"""Reading an upload by the link that came with the request, and writing what was made of it to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from bentoml.exceptions import BadInput, ServiceUnavailable

from bentos.workers import RefusedError
from neighborconnect.settings import Settings

_SECONDS = 30.0
_PART = 1024 * 1024


class Links:
    """A client of the object store that holds no key of it: links are all that it goes by."""

    def __init__(self, settings: Settings, *, most_bytes: int) -> None:
        self._most = most_bytes
        known = (settings.s3_endpoint_url, settings.cdn_base_url)
        self._hosts = {urlsplit(url).netloc for url in known if url}
        self._http = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def read(self, url: str) -> bytes:
        """Return what is there.

        Raises:
            BadInput: when the link leads anywhere but to the platform's own files.
            RefusedError: when there is nothing, or too much.
            ServiceUnavailable: when the store does not answer.
        """
        return b"".join([part async for part in self._parts(url)])

    async def fetch(self, url: str, path: Path) -> None:
        """Keep what is there as a file; raises what ``read`` does."""
        with path.open("wb") as file:
            async for part in self._parts(url):
                file.write(part)

    async def _parts(self, url: str) -> AsyncIterator[bytes]:
        self._check(url)
        size = 0
        try:
            async with self._http.stream("GET", url) as response:
                self._answered(response)
                async for part in response.aiter_bytes():
                    size += len(part)
                    if size > self._most:
                        raise RefusedError(f"It is larger than {self._most // 1024**2} MiB")
                    yield part
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"The file could not be fetched: {error!r}") from error

    async def write(self, url: str, data: bytes, *, content_type: str) -> None:
        """Put a file there; raises what ``read`` does."""
        await self._put(url, data, size=len(data), content_type=content_type)

    async def write_file(self, url: str, path: Path, *, content_type: str) -> None:
        """Put a file there part by part; raises what ``read`` does."""

        async def parts() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while part := file.read(_PART):
                    yield part

        size = (await asyncio.to_thread(path.stat)).st_size
        await self._put(url, parts(), size=size, content_type=content_type)

    async def _put(self, url: str, content: bytes | AsyncIterator[bytes], *, size: int, content_type: str) -> None:
        self._check(url)
        headers = {"content-type": content_type, "content-length": str(size)}
        try:
            self._answered(await self._http.put(url, content=content, headers=headers))
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"The copy could not be kept: {error!r}") from error

    def _check(self, url: str) -> None:
        found = urlsplit(url)
        if found.scheme not in {"http", "https"} or found.netloc not in self._hosts:
            raise BadInput("Links must lead to the platform's own files")

    @staticmethod
    def _answered(response: httpx.Response) -> None:
        if response.is_server_error:
            raise ServiceUnavailable(f"The object store answered {response.status_code}")
        if response.is_error:
            raise RefusedError("It is not there, or the link is no longer good")
