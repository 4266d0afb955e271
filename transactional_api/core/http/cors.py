"""Cross-origin requests: web pages of ``CORS_ALLOW_ORIGINS`` may call the API, by token or cookie."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from neighborconnect.settings import ANY_PORT

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-CSRF-Token",
    "X-Device-Token",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
RESPONSE_HEADERS = (
    "ETag",
    "X-Request-Id",
    "Idempotent-Replayed",
    "Location",
    "Link",
    "Content-Disposition",
    "WWW-Authenticate",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
)
"""Response headers that scripts of other origins may read, in addition to content type and length."""
PREFLIGHT_SECONDS = 600


def install(app: FastAPI, origins: list[str]) -> None:
    """Allow pages of ``origins`` to call ``app``; browsers refuse requests of other origins."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origin_regex=origin_pattern(origins),
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            allow_credentials=True,
            expose_headers=RESPONSE_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )


def origin_pattern(origins: Iterable[str]) -> str:
    """Return the pattern that matches each origin fully; an origin that ends in ``:*`` matches any port or none."""
    return "|".join(
        re.escape(origin.removesuffix(ANY_PORT)) + (r"(:\d{1,5})?" if origin.endswith(ANY_PORT) else "")
        for origin in origins
    )
