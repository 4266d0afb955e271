"""What every request passes: its id and trace, a size limit, security headers, a count and a log line."""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import uuid4

from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neighborconnect.telemetry import current_traceparent, get_logger, new_traceparent
from transactional_api import rate_limits
from transactional_api.errors import BodyTooLargeError, Problem, problem_response

MAX_BODY_BYTES = 1024 * 1024
# A file of the largest size with the boundaries of its form around it.
LARGER_BODIES = {"/api/v1/media/upload": 21 * 1024 * 1024}
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_DOCS = ("/docs", "/redoc")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}
_NOTHING_BUT_DATA = "default-src 'none'; frame-ancestors 'none'"

REQUESTS = Counter("api_requests", "Requests by route and status.", ["method", "route", "status"])
SECONDS = Histogram(
    "api_request_seconds",
    "Time to answer, by route.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

log = get_logger(__name__)


class RequestContext:
    """Gives a request its id and trace, and turns what nobody caught into a problem without a stack trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        scope["request_id"] = request_id = asked if _REQUEST_ID.match(asked) else uuid4().hex
        trace = current_traceparent.set(new_traceparent(headers.get("traceparent")))
        began, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id=request_id, path=scope["path"])
                MutableHeaders(scope=message).update(scope.get(rate_limits.HEADERS, {}))
            await send(message)

        try:
            limit = LARGER_BODIES.get(scope["path"], MAX_BODY_BYTES)
            await self.app(scope, _limited(receive, headers=headers, limit=limit), send_with_headers)
        except Exception:
            log.exception("request.failed", method=scope["method"], route=_route(scope), request_id=request_id)
            if status:
                raise
            await problem_response(Problem(), request_id=request_id)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            _record(scope, status=status, seconds=seconds)
            current_traceparent.reset(trace)


def _limited(receive: Receive, *, headers: Headers, limit: int) -> Receive:
    """Stop reading where the body grows larger than the API takes, whatever its declared length."""
    declared = headers.get("content-length", "")
    seen = int(declared) if declared.isdecimal() and len(declared) < len(str(2**63)) else 0
    if seen <= limit:
        seen = 0

    async def receive_some() -> Message:
        nonlocal seen
        if seen <= limit:
            message = await receive()
            seen += len(message.get("body", b""))
            if seen <= limit:
                return message
        raise HTTPException(BodyTooLargeError.status)

    return receive_some


def _add_headers(headers: MutableHeaders, *, request_id: str, path: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if not path.startswith(_DOCS):  # The documentation pages run scripts.
        headers.setdefault("Content-Security-Policy", _NOTHING_BUT_DATA)


def _route(scope: Scope) -> str:
    """Return the template of the path, so that metrics do not grow with ids."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def _record(scope: Scope, *, status: int, seconds: float) -> None:
    route = _route(scope)
    REQUESTS.labels(scope["method"] if route != "unmatched" else "-", route, status).inc()
    SECONDS.labels(scope["method"] if route != "unmatched" else "-", route).observe(seconds)
    log.info(
        "request.answered",
        method=scope["method"],
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        request_id=scope["request_id"],
    )
