"""The address that a request comes from, and the device that sends it.

``X-Forwarded-For`` counts only as far as ``TRUSTED_PROXIES`` wrote it: a caller can put any address in front of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Request
from pydantic import IPvAnyNetwork

from neighborconnect.settings import Settings

_IPV6_NETWORK = 64
_UNKNOWN = ""


class Caller(NamedTuple):
    """The network of a request (an IPv4 address, or the /64 of an IPv6 address), and its device token if it has one."""

    network: str
    device_token: str | None = None


def client_address(request: Request) -> str:
    """Return the address of the client: the last hop in ``X-Forwarded-For`` that is no trusted proxy, else the peer."""
    peer = request.client.host if request.client else _UNKNOWN
    return address_behind(
        peer, request.headers.getlist("x-forwarded-for"), trusted=request.app.state.settings.trusted_proxies
    )


def address_behind(peer: str, forwarded_for: Sequence[str], *, trusted: Sequence[IPvAnyNetwork]) -> str:
    """Walk the hops from the right while they are trusted proxies; a hop that is no address ends the walk."""
    hops = [hop for line in forwarded_for for hop in line.split(",")]
    client = _parsed(peer)
    while client is not None and hops and any(client in network for network in trusted):
        before = _parsed(hops.pop())
        if before is None:
            break
        client = before
    return str(client) if client is not None else peer


def network_of(address: str) -> str:
    """Return the network that one subscriber holds: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _IPV6_NETWORK), strict=False))
    return address


async def caller_of(
    request: Request,
    x_device_token: Annotated[
        str | None,
        Header(
            max_length=500,
            description="The `device_token` of an earlier session. Attempts of strangers then hold nobody up here.",
        ),
    ] = None,
) -> Caller:
    """Return the network and the device token of a request."""
    return Caller(network_of(client_address(request)), x_device_token)


def is_platform(settings: Settings, token: str | None) -> bool:
    """Whether ``token`` is that of the platform's own processes."""
    expected = settings.platform_token.get_secret_value().encode()
    return token is not None and hmac.compare_digest(token.encode(), expected)


CallerDep = Annotated[Caller, Depends(caller_of)]
"""The network and device that a request comes from."""


def _parsed(hop: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a hop, which may have brackets and a port, and IPv4 in IPv6 as IPv4."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
