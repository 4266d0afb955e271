"""Requests to addresses that users name: public hosts only, also after redirects, within limits of size and time."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from transactional_api.core import safe_http
from transactional_api.core.safe_http import UnsafeAddressError, check_url, is_allowed


@pytest.fixture
def public(settings: Settings) -> Settings:
    """Settings of a deployment that is not on one machine."""
    return settings.model_copy(update={"neighborconnect_profile": "external"})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "224.0.0.1", "255.255.255.255", "192.0.0.8", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "fec0::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::",
    ],
)  # fmt: skip
def test_addresses_of_networks_inside_are_refused(address: str, public: Settings) -> None:
    assert not is_allowed(ipaddress.ip_address(address), settings=public)


def test_public_addresses_are_allowed(public: Settings, settings: Settings) -> None:
    for address in ("8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert is_allowed(ipaddress.ip_address(address), settings=public)
    assert is_allowed(ipaddress.ip_address("127.0.0.1"), settings=settings)
    assert not is_allowed(ipaddress.ip_address("10.0.0.1"), settings=settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "https://user:word@example.org/", "https://127.0.0.1/",
        "https://[::1]/", "https://169.254.169.254/latest", "https:///path", "https://exa mple.org",
        "", "//example.org", "javascript:alert(1)", "https://example.org:99999/",
    ],
)  # fmt: skip
def test_unsafe_urls_are_refused(url: str, public: Settings) -> None:
    with pytest.raises(UnsafeAddressError):
        check_url(url, settings=public)


async def test_a_name_of_a_private_address_is_refused(public: Settings) -> None:
    with pytest.raises(UnsafeAddressError):
        await safe_http.request("GET", "https://localhost/", settings=public)


async def test_a_connection_goes_to_the_checked_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        """Return the address of the site at first, and later one of a network inside, as a rebinding name does."""
        if host != "rebinding.example":
            return resolve(host, port, *rest, **named)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async with serving(Site()) as url:
        monkeypatch.setattr(socket, "getaddrinfo", answer)
        named = url.replace("127.0.0.1", "rebinding.example")
        fetched = await safe_http.request("GET", f"{named}/page", settings=settings, max_bytes=1)
        monkeypatch.undo()
    assert (fetched.status, fetched.url, asked) == (200, f"{named}/page", ["rebinding.example"])


class Site:
    """A site that redirects to what the query says, sends a large body, or does not answer until it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await self.released.wait()
        target = scope["query_string"]
        status, headers = (302, [(b"location", target)]) if scope["path"] == "/to" else (200, [])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 100_000})


async def test_redirects_sizes_and_times_are_limited(settings: Settings) -> None:
    site = Site()
    async with serving(site) as url:
        for target in ("http://10.0.0.1/", "file:///etc/passwd", "http://169.254.169.254/latest"):
            with pytest.raises(UnsafeAddressError):
                await safe_http.request("GET", f"{url}/to?{target}", settings=settings, max_redirects=3)
        followed = await safe_http.request("GET", f"{url}/to?/page", settings=settings, max_redirects=1, max_bytes=10)
        assert (followed.status, followed.body, followed.url) == (200, b"x" * 10, f"{url}/page")
        stays = await safe_http.request("GET", f"{url}/to?/to?/page", settings=settings, max_redirects=0)
        assert stays.status == 302
        with pytest.raises(TimeoutError):
            await safe_http.request("GET", f"{url}/slow", settings=settings, seconds=0.2)
        site.released.set()
