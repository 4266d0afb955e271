"""OAuth scopes of third-party apps: read or write access by the tag of a route.

Access is denied by default: apps cannot call routes without a scope (account, privacy, moderation, administration). The
chat socket serves sessions of the user only; the notification stream serves apps with ``notifications:read``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import HTTPConnection

from transactional_api.core.http.rate_limits import READS

SCOPES: dict[str, str] = {
    "users:read": "See your profile with your address, and your neighbors' profiles",
    "connectors:read": "See connectors that you can see",
    "connectors:write": "Join, leave and moderate connectors for you",
    "posts:read": "See posts that you can see",
    "posts:write": "Post, comment and like in your name",
    "events:read": "See events that you can see",
    "events:write": "Create events and respond to them in your name",
    "marketplace:read": "See items for sale, and your purchases",
    "marketplace:write": "Offer, reserve and buy in your name",
    "reviews:read": "See reviews",
    "reviews:write": "Review in your name",
    "search:read": "Search for you",
    "notifications:read": "See your notifications",
    "chat:read": "See your conversations and every message in them",
    "chat:write": (
        "Write and react in your name, edit and delete your messages, mark conversations as read, start conversations, "
        "add and remove members, leave groups, and change your chat settings"
    ),
    "media:read": "See pictures and videos that you can see",
    "media:write": "Upload, describe and delete pictures and videos for you",
    "relationships:read": "See whom you follow, mute and block, and who follows you",
    "relationships:write": "Follow, mute and block for you, and undo each of them",
}


def needed(request: HTTPConnection) -> str:
    """Return the scope that the route of a request needs."""
    route: Any = request.scope.get("route")
    tag = route.tags[0] if route is not None and route.tags else "nothing"
    return f"{tag}:{'read' if request.scope.get('method') in READS else 'write'}"


def parse(scope: str) -> list[str]:
    """Return the scopes in a space-separated list, in the order of ``SCOPES``.

    Raises:
        ValueError: when a scope is unknown or the list is empty.
    """
    requested = set(scope.split())
    if not requested or not requested <= SCOPES.keys():
        raise ValueError("unknown or no scope")
    return [name for name in SCOPES if name in requested]


def descriptions(scopes: Iterable[str]) -> list[str]:
    """Return the descriptions of scopes for the consent page."""
    return [SCOPES[scope] for scope in scopes]
