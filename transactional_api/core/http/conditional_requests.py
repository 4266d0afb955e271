"""Conditional reads: an ``ETag`` on complete responses, and 304 if ``If-None-Match`` contains it (RFC 9110, 13).

Each complete JSON or calendar response to a GET has an ``ETag``: a digest of the body. A resource with a version has
both, ``"<version>.<digest>"``: ``If-Match`` compares the version alone, for a like does not make an edit stale, and
``If-None-Match`` compares all of it, for a like changes what is shown. Streams, redirects and errors have none.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATHS = ("/api/v1/", "/.well-known/", "/openapi.json")
_TYPES = ("application/json", "text/calendar")
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_OK, _NOT_MODIFIED = 200, 304
# Browsers may store content of a neighborhood if they revalidate it on each use. Account data is not stored in any
# cache; a client that stored it by itself still gets 304.
_PRIVATE = tuple(
    f"/api/v1/{name}"
    for name in ("users", "chat", "notifications", "privacy", "oauth", "moderation", "recommendations", "matching")
)
_REVALIDATED = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


class ConditionalReads:
    """Adds an ``ETag`` to complete responses, and returns 304 without a body if the client has the same one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        dropped = False

        async def send_if_changed(message: Message) -> None:
            nonlocal start, dropped
            if message["type"] == "http.response.start" and _is_taggable(message, scope):
                start = message
                return
            if start is not None:
                held, start = start, None
                if not message.get("more_body", False):
                    dropped = _tag(held, message.get("body", b""), scope)
                await send(held)
            if dropped:
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self.app(scope, receive, send_if_changed)


def version_of(etag: str) -> str:
    """Return the entity tag of the version alone, as ``If-Match`` compares it."""
    tag = etag.strip().removeprefix("W/")
    return f'{tag.partition(".")[0]}"' if "." in tag else tag


def _is_taggable(start: Message, scope: Scope) -> bool:
    headers = Headers(raw=start["headers"])
    complete = start["status"] == _OK and headers.get("content-type", "").partition(";")[0].strip() in _TYPES
    # A write returns the entity tag that a read would return now, if it has a version.
    return complete and (scope["method"] == "GET" or "etag" in headers)


def _tag(start: Message, body: bytes, scope: Scope) -> bool:
    """Set the ``ETag`` of the response; if the client has it, turn the response into a 304 and return True."""
    headers = MutableHeaders(raw=start["headers"])
    start["headers"] = headers.raw
    digest = blake2b(body, digest_size=12).hexdigest()
    version = headers.get("etag", "").strip('"')
    headers["ETag"] = etag = f'"{version}.{digest}"' if version else f'"{digest}"'
    if scope["method"] != "GET":
        return False
    if not scope["path"].startswith(_PRIVATE):
        headers.setdefault("Cache-Control", _REVALIDATED["Cache-Control"])
        headers.add_vary_header(_REVALIDATED["Vary"])
    tags = Headers(scope=scope).getlist("if-none-match")
    if not any(tag.strip() == "*" or etag in _TAG.findall(tag) for tag in tags):
        return False
    start["status"] = _NOT_MODIFIED
    for name in ("content-length", "content-type"):
        if name in headers:
            del headers[name]
    return True
