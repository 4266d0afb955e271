"""Responses that are stored: their signed links are replaced by references, and signed again when they are read.

A request records each link that it signs. When its response is stored, exactly these links are replaced by a reference
with an authentication code, so that user text can never become a signed link.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import SecretStr

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Target:
    """Target of a signed link: reading an object, or with ``size`` writing an object of that many bytes."""

    key: str
    size: int | None = None


Links = dict[str, Target]
_NOTED: ContextVar[Links | None] = ContextVar("signed_links", default=None)
_REFERENCE = re.compile(rb"signed-link:(?P<code>[0-9a-f]{64}):(?P<size>[0-9]*):(?P<key>[\w./-]+)")


@contextmanager
def noted_links() -> Iterator[Links]:
    """Collect the links that are signed in this block."""
    links: Links = {}
    token = _NOTED.set(links)
    try:
        yield links
    finally:
        _NOTED.reset(token)


def note_link(link: str, target: Target) -> None:
    """Record a signed link, if a ``noted_links`` block is active."""
    links = _NOTED.get()
    if links is not None:
        links[link] = target


def seal(body: bytes, links: Links, *, secret: SecretStr) -> bytes:
    """Return a response body with references in place of its signed links."""
    # The longest first: a link may begin with another.
    for link, target in sorted(links.items(), key=lambda item: -len(item[0])):
        body = body.replace(link.encode(), _reference(target, secret))
    return body


def sealed_targets(body: bytes, *, secret: SecretStr) -> dict[bytes, Target]:
    """Return the authentic references in a stored body, with their targets."""
    targets = {}
    for match in _REFERENCE.finditer(body):
        target = Target(match["key"].decode(), int(match["size"]) if match["size"] else None)
        if hmac.compare_digest(match[0], _reference(target, secret)):
            targets[match[0]] = target
    return targets


def _reference(target: Target, secret: SecretStr) -> bytes:
    named = f"{'' if target.size is None else target.size}:{target.key}"
    code = hmac.new(secret.get_secret_value().encode(), f"signed-link:{named}".encode(), hashlib.sha256).hexdigest()
    return f"signed-link:{code}:{named}".encode()
