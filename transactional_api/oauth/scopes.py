"""What a third party's app may be allowed: by the tag of a route, to read or to write.

Deny first: what no scope is offered for (the account, ties, privacy, chat, media, moderation) no app reaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import HTTPConnection

from transactional_api.rate_limits import READS

SCOPES: dict[str, str] = {
    "users:read": "See your profile with your address, and your neighbours' profiles",
    "connectors:read": "See connectors that you can see",
    "connectors:write": "Join, leave and tend connectors for you",
    "posts:read": "See posts that you can see",
    "posts:write": "Post, comment and like in your name",
    "events:read": "See events that you can see",
    "events:write": "Hold events and answer them in your name",
    "marketplace:read": "See what is on offer, and your purchases",
    "marketplace:write": "Offer, reserve and buy in your name",
    "reviews:read": "See reviews",
    "reviews:write": "Review in your name",
    "search:read": "Search for you",
    "notifications:read": "See your notifications",
}


def needed(request: HTTPConnection) -> str:
    """Return the scope that the route of a request needs."""
    route: Any = request.scope.get("route")
    tag = route.tags[0] if route is not None and route.tags else "nothing"
    return f"{tag}:{'read' if request.scope.get('method') in READS else 'write'}"


def parse(words: str) -> list[str]:
    """Return the scopes that ``words`` name, in our order.

    Raises:
        ValueError: when one of them is not offered, or there is none.
    """
    asked = set(words.split())
    if not asked or not asked <= SCOPES.keys():
        raise ValueError("unknown or no scope")
    return [scope for scope in SCOPES if scope in asked]


def told(scopes: Iterable[str]) -> list[str]:
    """Return what the scopes mean, for people."""
    return [SCOPES[scope] for scope in scopes]
