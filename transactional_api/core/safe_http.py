"""Requests to addresses that users name: only to public addresses, with limits of time and size.

The host is resolved once, every address of it is checked, and the connection goes to the checked address, so that a
second answer of the name server changes nothing. Environment proxies are not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

SECONDS: Final = 15.0
"""Time limit of a request with its redirects."""
MAX_BYTES: Final = 512 * 1024
"""Largest body that is read."""
# Python 3.11 counts parts of it as global.
_IETF_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")
_HOST = re.compile(r"^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[?[0-9A-Fa-f:.]+\]?)$")
_MAX_PORT = 65_535
# A name server that does not answer occupies one of these threads, and none of those that hash or decode.
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="resolver")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRules(Protocol):
    """Rules for addresses, as ``Settings`` has them."""

    @property
    def may_call_this_machine(self) -> bool:
        """Whether requests may go to this machine."""


class UnsafeAddressError(Exception):
    """The URL is not allowed, or its host has an address that is not public."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Response: its status, its headers and the first ``max_bytes`` of its body."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


def check_url(url: str, *, settings: AddressRules) -> httpx.URL:
    """Return the parsed URL.

    Raises:
        UnsafeAddressError: it is not ``https`` (in the embedded profile also ``http``), names a user, or its host is an
            address that is not public.
    """
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise UnsafeAddressError("The URL is not valid") from None
    if parsed.scheme != "https" and not (settings.may_call_this_machine and parsed.scheme == "http"):
        raise UnsafeAddressError("The URL must begin with https://")
    if parsed.userinfo or not _HOST.match(host) or not 0 < (parsed.port or 443) <= _MAX_PORT:
        raise UnsafeAddressError("The URL must name a host and no user")
    try:
        literal = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return parsed
    if not is_allowed(literal, settings=settings):
        raise UnsafeAddressError("The host must have a public address")
    return parsed


def is_allowed(address: Address, *, settings: AddressRules) -> bool:
    """Return whether requests may go to an address: a public one; in the embedded profile also the loopback."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_allowed(inner, settings=settings)
        if address.teredo is not None or address.is_site_local:
            return False
    elif address in _IETF_PROTOCOLS:
        return False
    if address.is_loopback:
        return settings.may_call_this_machine
    return address.is_global and not address.is_multicast and not address.is_reserved


async def request(
    method: str,
    url: str,
    *,
    settings: AddressRules,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    max_redirects: int = 0,
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
    resolvers: ThreadPoolExecutor = _RESOLVERS,
) -> Fetched:
    """Send a request; a redirect beyond ``max_redirects`` is returned as the response.

    ``resolvers`` are the threads that ask name servers.

    Raises:
        UnsafeAddressError: an address on the way is not allowed.
        httpx.HTTPError: the server cannot be reached, or its response is not HTTP.
        TimeoutError: after ``seconds`` seconds.
    """
    async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False, timeout=seconds) as client:
        target = check_url(url, settings=settings)
        while True:
            fetched = await _send(
                client,
                method,
                target,
                settings=settings,
                content=content,
                headers=headers or {},
                max_bytes=max_bytes,
                resolvers=resolvers,
            )
            location = fetched.headers.get("location")
            if max_redirects == 0 or location is None or not httpx.codes.is_redirect(fetched.status):
                return fetched
            max_redirects -= 1
            try:
                target = target.join(location)
            except httpx.InvalidURL:
                raise UnsafeAddressError("The redirect is not valid") from None
            target = check_url(str(target), settings=settings)


async def _send(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    *,
    settings: AddressRules,
    content: bytes | None,
    headers: Mapping[str, str],
    max_bytes: int,
    resolvers: ThreadPoolExecutor,
) -> Fetched:
    address = await _resolve(url, settings=settings, resolvers=resolvers)
    client.cookies.clear()  # A site before the redirect may have set some.
    host = url.raw_host.decode("ascii")
    outgoing = client.build_request(
        method,
        url.copy_with(host=str(address)),
        content=content,
        headers={"Accept-Encoding": "identity", **headers, "Host": url.netloc.decode("ascii")},
        # The certificate is the one of the name, although the connection goes to the address.
        extensions={"sni_hostname": host},
    )
    response = await client.send(outgoing, stream=True)
    try:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= max_bytes:
                break
        return Fetched(response.status_code, response.headers, body[:max_bytes], str(url))
    finally:
        await response.aclose()


async def _resolve(url: httpx.URL, *, settings: AddressRules, resolvers: ThreadPoolExecutor) -> Address:
    host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except (OSError, UnicodeError):
        raise httpx.ConnectError("The host has no address") from None
    # An address with a scope ("%eth0") is link-local.
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses or not all(is_allowed(address, settings=settings) for address in addresses):
        raise UnsafeAddressError("The host must have public addresses only")
    return addresses[0]
