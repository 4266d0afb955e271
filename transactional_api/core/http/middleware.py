"""Middleware of every request: id and trace, limits of size and time, security headers, metrics and a log line."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, NamedTuple
from uuid import uuid4

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neighborconnect.localization import Language
from neighborconnect.telemetry import get_logger
from neighborconnect.tracing.provider import end_request, start_request
from transactional_api.core.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    Problem,
    TookTooLongError,
    problem_response,
)
from transactional_api.core.http import rate_limits
from transactional_api.core.language import negotiate


class Limits(NamedTuple):
    """Limits of a request: bytes of its body, and seconds until the response starts."""

    body_bytes: int
    seconds: float


LIMITS = Limits(1024 * 1024, 30)
# A file of the maximum size in a multipart form, over a slow connection.
LARGER = {"/api/v1/media/upload": Limits(21 * 1024 * 1024, 300)}
CLIENT_REQUEST_ID = "neighborconnect.client_request_id"
_CLIENT_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
CLIENT_CLOSED_REQUEST = 499
"""Status in metrics and logs of a request whose client left before it was read, as nginx has it."""
UNMATCHED = "unmatched"
"""Route of requests that no route matches, in metrics and logs."""
_DOCS = ("/docs", "/redoc")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}
_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"

REQUESTS = Counter("api_requests", "Requests by route and status.", ["method", "route", "status"])
SECONDS = Histogram(
    "api_request_seconds",
    "Response time by route.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

log = get_logger(__name__)


class RequestContext:
    """Assigns the request id and trace, and renders unhandled exceptions as problems without a stack trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Always generated: it identifies the request in the audit trail, so the caller must not choose it. The caller's
        # id is only logged.
        scope["request_id"] = request_id = uuid4().hex
        sent = headers.get("x-request-id", "")
        scope[CLIENT_REQUEST_ID] = sent if _CLIENT_REQUEST_ID.match(sent) else None
        trace = start_request(scope["method"], headers.get("traceparent"), path=scope["path"])
        began, status = time.perf_counter(), 0
        limits = LARGER.get(scope["path"], LIMITS)
        body = _Body(receive, headers=headers, limit=limits.body_bytes)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id=request_id, path=scope["path"])
                MutableHeaders(scope=message).update(scope.get(rate_limits.HEADERS, {}))
            await send(message)

        async def send_in_time(message: Message) -> None:
            clock.reschedule(None)  # A started response has no time limit: it may be a stream.
            await send_with_headers(message)

        try:
            async with asyncio.timeout(limits.seconds) as clock:
                await self.app(scope, body.receive, send_in_time)
        except Exception as error:
            if isinstance(error, ClientDisconnect) and not status:
                status = CLIENT_CLOSED_REQUEST  # Nobody receives a response, and the API did not fail.
                return
            if isinstance(error, TimeoutError) and clock.expired():
                late = TookTooLongError() if body.whole else BodyTooSlowError()
                log.warning(
                    "request.timed_out",
                    method=scope["method"],
                    route=_route(scope),
                    code=late.code,
                    request_id=request_id,
                )
                await problem_response(late, request_id=request_id, language=_language(scope))(
                    scope, receive, send_with_headers
                )
                return
            log.exception("request.failed", method=scope["method"], route=_route(scope), request_id=request_id)
            if status:
                raise
            await problem_response(Problem(), request_id=request_id, language=_language(scope))(
                scope, receive, send_with_headers
            )
        finally:
            seconds = time.perf_counter() - began
            _record(scope, status=status, seconds=seconds)
            route = _route(scope)
            end_request(trace, method=scope["method"], route=None if route == UNMATCHED else route, status=status)


def _language(scope: Scope) -> Language:
    return negotiate(Headers(scope=scope).get("accept-language"))


class _Body:
    """Request body: reading stops at the size limit, whatever the declared length."""

    def __init__(self, receive: Receive, *, headers: Headers, limit: int) -> None:
        declared = headers.get("content-length", "")
        length = int(declared) if declared.isdecimal() and len(declared) < len(str(2**63)) else 0
        self._receive, self._limit = receive, limit
        self._seen = length if length > limit else 0
        self.whole = not length and "transfer-encoding" not in headers

    async def receive(self) -> Message:
        """Return the next part; raises 413 beyond the limit."""
        if self._seen <= self._limit:
            message = await self._receive()
            self._seen += len(message.get("body", b""))
            self.whole = self.whole or not message.get("more_body", False)
            if self._seen <= self._limit:
                return message
        raise HTTPException(BodyTooLargeError.status)


def _add_headers(headers: MutableHeaders, *, request_id: str, path: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if not path.startswith(_DOCS):  # The documentation pages run scripts.
        headers.setdefault("Content-Security-Policy", _CONTENT_POLICY)


def _route(scope: Scope) -> str:
    """Return the path template, so that the number of metrics does not grow with ids."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", UNMATCHED))


def _record(scope: Scope, *, status: int, seconds: float) -> None:
    route = _route(scope)
    REQUESTS.labels(scope["method"] if route != UNMATCHED else "-", route, status).inc()
    SECONDS.labels(scope["method"] if route != UNMATCHED else "-", route).observe(seconds)
    log.info(
        "request.completed",
        method=scope["method"],
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        request_id=scope["request_id"],
        client_request_id=scope[CLIENT_REQUEST_ID],
    )
